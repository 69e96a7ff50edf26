"""Draws object after object until it is killed; says after which ones it knew all to be saved."""

from __future__ import annotations

import sys

import numpy as np

from tests.folder.made import HEIGHT, WIDTH, opened

queue = opened(sys.argv[1], sys.argv[2], formats=("png", "coco"))
annotation = queue[0].annotation
count = len(annotation.objects)
print("saved", count, flush=True)
while True:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[count % HEIGHT, : 1 + count % WIDTH] = True
    annotation.add_object(mask, name=str(count))
    queue[0].note = str(count)
    count += 1
    if count % 5 == 0:
        queue.flush()
        print("saved", count, flush=True)
