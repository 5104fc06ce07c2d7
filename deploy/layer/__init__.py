"""What ``layer.zip.spec`` is made of: from the modules that PyInstaller found to the layer's zip file.

Nothing here runs in Lambda, and nothing here needs more than the standard library and the compiler in ``ziglang``.
"""
