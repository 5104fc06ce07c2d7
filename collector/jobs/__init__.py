"""What the collector does beside receiving: rollups, causes, retention. Of many collectors one does it, by a lease."""
