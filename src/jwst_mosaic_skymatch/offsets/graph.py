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
    _, labels = connected_components(graph, directed=False)
    # scipy promises no order of the labels; this one is the nodes'.
    _, start, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(start))[inverse]
