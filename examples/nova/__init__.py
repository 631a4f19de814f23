"""Contracts for OpenStack Nova's cross-cell resize, bound from outside, and a runner for Nova's own tests under them."""
