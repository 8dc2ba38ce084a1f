"""Files that other people name: opened beneath one folder and nowhere else; and locks and writes that survive a crash."""
