"""Files that others name: opened beneath one folder and nowhere else; and locks and writes that survive a crash."""
