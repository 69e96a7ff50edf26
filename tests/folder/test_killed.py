"""What is left when the process is killed in the middle of its autosaves."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from iseg_widget.annotation import Annotation
from tests.folder.made import HEIGHT, WIDTH, opened, pictures


def test_kill_in_the_middle_of_autosaves(tmp_path: Path, project_root: Path):
    """Files are whole; saved is at least what was known to be, at most the changes since lost."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    pictures(photos, "a.png")
    chance = random.Random(0)
    reached = 0
    for _ in range(6):
        command = [sys.executable, "-m", "tests.folder.killed", str(photos), str(out)]
        environment = os.environ | {"PYTHONPATH": str(project_root)}
        process = subprocess.Popen(
            command, cwd=project_root, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(chance.randint(1, 4)):
            known = int(process.stdout.readline().split()[1])
        time.sleep(chance.uniform(0, 0.2))  # so that it happens at any point of a write
        process.kill()
        rest = process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        known = max([known, *(int(line.split()[1]) for line in rest if line[-1:].isdigit())])
        saved = Annotation.load(out / "a.json", photos / "a.png")
        count = len(saved.objects)
        # The next five changes after the last "saved" may be there or not, in their order.
        assert known <= count <= known + 5
        for number, info in enumerate(saved.objects):
            expected = np.zeros((HEIGHT, WIDTH), bool)
            expected[number % HEIGHT, : 1 + number % WIDTH] = True
            assert (saved.mask_of(info.id) == expected).all()
        images = json.loads((out / "queue.json").read_bytes())["images"]
        assert known - 1 <= int(images[0]["note"]) <= known + 4
        if (out / "a.png").exists():
            assert np.asarray(Image.open(out / "a.png")).shape == (HEIGHT, WIDTH)
        if (out / "coco.json").exists():
            assert len(json.loads((out / "coco.json").read_bytes())["annotations"]) <= count
        reached = count
    with opened(photos, out, formats=("png", "coco")) as queue:
        assert len(queue[0].annotation.objects) == reached
    # Masks that were late are brought up to date when the queue is opened again.
    assert np.asarray(Image.open(out / "a.png")).max() <= reached
    data = json.loads((out / "coco.json").read_bytes())
    assert len(data["annotations"]) == reached
    assert not list(out.glob("*.kept-*"))
