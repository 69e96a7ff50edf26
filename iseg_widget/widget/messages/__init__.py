"""The messages between page and kernel, written down once.

``js/src/protocol.ts`` and ``js/src/messages/`` mirror this package; both are tested against the
same recorded messages. Each module holds the messages of one feature.
All are custom messages of the widget's comm: a JSON object and binary buffers.

Requests (page to kernel) carry ``id`` (text, chosen by the page, unique in its view), ``kind``,
``rev`` (the revision that the page has drawn) and the fields below. Nothing else is accepted.

==========  ======================  ==============================================================
kind        fields                  meaning
==========  ======================  ==============================================================
``hello``   ``picture``             a view opened, or missed a message: send the whole overlay,
                                    and the picture too if ``picture``
``click``   ``x y positive``        a click on the active object (a new one if none is active);
                                    (0, 0) is the centre of the top-left pixel
``undo``, ``redo``, ``reset``       as in :class:`iseg_widget.Session`
``ping``                            is anybody there? gets ``received`` and nothing else
``cancel``                          forget what is queued, discard what is running
``method``  ``name options``        answer with another method and replay the clicks; ``options``
                                    is an object of its options, or null for those it was last
                                    used with
==========  ======================  ==============================================================

The other requests are described where they are declared.

Replies (kernel to page):

=============  ===========================  ======================================================
kind           fields                       meaning
=============  ===========================  ======================================================
``received``   ``id``                       the request is queued; sent at once by the handler, so
                                            that the page can tell a slow method from a dead kernel
``activity``   ``ids what``                 the worker does ``what`` (``load``, ``segment``,
                                            ``replay``, ``open``) for these requests; null: nothing
``picture``    see :class:`Picture`         buffer: the encoded image, a large one smaller
``result``     see :class:`Result`          the new state; buffers: the overlays
``cancelled``  ``id ids``                   these requests were not carried out
``error``      ``id ids title message``     these requests failed and left everything as it was
=============  ===========================  ======================================================

Every request gets ``received`` and then, except for ``ping``, exactly one of ``result``,
``cancelled`` and ``error`` that names it in ``ids`` (``id`` is the newest of them; the answer to
``cancel`` itself has it in ``id`` alone); ``hello`` may get a ``picture`` before. A question that
changes nothing gets a reply of its own kind, with its ``id``, instead of ``result``. A request
that is not in the protocol gets an ``error`` alone.
Requests that were answered together share one reply. Replies go to all views of the widget.

The overlay of the active object is zlib over ``numpy.packbits`` of the row-major pixels of ``box``
(see :class:`iseg_widget.masks.PackedMask`) in a ``grid`` of (width, height); that of all others
together is zlib over one byte a pixel (see :class:`Others`). With ``base`` null it is the whole
mask, and nothing is outside of ``box``; else ``box`` is what changed since revision ``base``, and a
page that shows another revision says ``hello``. An empty box comes without a buffer.
"""

from __future__ import annotations

from iseg_widget.widget.messages import ablation as ablation
from iseg_widget.widget.messages import explain as explain
from iseg_widget.widget.messages import objects as objects
from iseg_widget.widget.messages import queue as queue
from iseg_widget.widget.messages import replay as replay
from iseg_widget.widget.messages import tiles as tiles
from iseg_widget.widget.messages import timing as timing
from iseg_widget.widget.messages import tools as tools
from iseg_widget.widget.messages.base import Box, Message, ProtocolError, Reply, Request, parse
from iseg_widget.widget.messages.core import (
    Activity,
    ActivityReply,
    AddClick,
    Cancel,
    Cancelled,
    ChangeMethod,
    ErrorReply,
    Hello,
    HistoryEntry,
    ObjectEntry,
    Others,
    Picture,
    Ping,
    Received,
    Redo,
    Reset,
    Result,
    Stats,
    Undo,
)
from iseg_widget.widget.messages.known import REQUESTS

__all__ = [
    "REQUESTS",
    "Activity",
    "ActivityReply",
    "AddClick",
    "Box",
    "Cancel",
    "Cancelled",
    "ChangeMethod",
    "ErrorReply",
    "Hello",
    "HistoryEntry",
    "Message",
    "ObjectEntry",
    "Others",
    "Picture",
    "Ping",
    "ProtocolError",
    "Received",
    "Redo",
    "Reply",
    "Request",
    "Reset",
    "Result",
    "Stats",
    "Undo",
    "parse_request",
]


def parse_request(content: object) -> Request:
    """Check a message of the page and return it as its dataclass; see :func:`.base.parse`."""
    return parse(content, REQUESTS)
