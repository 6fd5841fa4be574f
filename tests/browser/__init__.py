"""JupyterLab and Voilà in a real Chromium."""
