"""``duress serve``: pages to browse run folders, compare them, and watch a trial as it runs."""
