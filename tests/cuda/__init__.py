"""Every path that needs a GPU, run once: as tests on a machine with one, and as checks of `results/gpu.py`.

The functions take no fixture and import neither pytest nor what a GPU machine may lack. Those with a parameter `kind`
also run on a CPU, with small sizes: that is the dry run of `results/gpu.py`.
"""
