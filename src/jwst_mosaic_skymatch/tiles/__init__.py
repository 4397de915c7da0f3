"""Exposures drizzled onto the shared grid."""
