"""The forms of the pages. They read and check input; other rooms write it."""
