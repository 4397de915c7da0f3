"""The graph whose nodes are tiles and whose edges are pairs."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

__all__ = ["connected_parts"]


def connected_parts(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Label the nodes of a graph by its connected parts.

    Parameters
    ----------
    n : int
        Number of nodes.
    first, second : ndarray of int, shape (n_pairs,)
        The two nodes of each pair.

    Returns
    -------
    ndarray of int, shape (n,)
        Part of each node, counted from 0 in the order of the first node of each.
    """
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    # scipy visits the nodes in their order, which a test checks.
    return connected_components(graph, directed=False)[1]
