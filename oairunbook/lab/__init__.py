"""The practice lab: a faithful API with a fault of your choice, on loopback, without root and without internet."""
