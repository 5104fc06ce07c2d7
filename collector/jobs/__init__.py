"""What the collector does beside receiving: rollups, causes, retention, the size cap. Of many collectors one does it, by a lease."""
