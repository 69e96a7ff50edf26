"""Networks: pure ``torch.nn.Module`` classes, one file per architecture, no I/O."""
