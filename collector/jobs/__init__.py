"""What the collector does beside receiving: rollups, the size cap. Of many collectors one does it, by a lease."""
