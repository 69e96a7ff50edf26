/**
 * The messages between page and kernel of a comparison, the mirror of
 * `iseg_widget/widget/compare_messages.py`. Both sides are tested against the same recorded
 * messages, `tests/widget/fixtures/compare.json`.
 */
