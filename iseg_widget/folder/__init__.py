"""Many images, one after the other: a queue over a folder that saves every change."""

from iseg_widget.folder.exports import FORMATS
from iseg_widget.folder.item import QueueItem
from iseg_widget.folder.ledger import STATUSES
from iseg_widget.folder.queue import FolderQueue, Progress

__all__ = ["FORMATS", "STATUSES", "FolderQueue", "Progress", "QueueItem"]
