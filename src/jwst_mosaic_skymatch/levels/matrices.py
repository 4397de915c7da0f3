"""Sparse matrices from their elements, and their connected parts."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components

__all__ = ["connected_parts", "sparse_matrix"]


def sparse_matrix(
    shape: tuple[int, int], rows: ArrayLike, columns: ArrayLike, values: ArrayLike = 1.0
) -> sparse.csr_array:
    """Build a matrix from its elements.

    Parameters
    ----------
    shape : tuple of int
        Shape of the matrix.
    rows, columns : array-like of int
        Row and column of each element.
    values : array-like, optional
        The elements, of a shape that can be broadcast; elements of one place are added.

    Returns
    -------
    sparse array
        The matrix.
    """
    rows, columns, values = (
        part.ravel() for part in np.broadcast_arrays(rows, columns, np.asarray(values, dtype=float))
    )
    places = rows.astype(int), columns.astype(int)
    return sparse.coo_array((values, places), shape=shape).tocsr()


def connected_parts(n: int, pairs: ArrayLike) -> np.ndarray:
    """Label the nodes of a graph by its connected parts.

    Parameters
    ----------
    n : int
        Number of nodes.
    pairs : array-like of int, shape (n_pairs, 2)
        The two nodes of each pair.

    Returns
    -------
    ndarray of int, shape (n,)
        Part of each node, counted from 0 in the order of the first node of each.
    """
    graph = sparse_matrix((n, n), *np.array(pairs, dtype=int).reshape(-1, 2).T)
    # scipy visits the nodes in their order, which a test checks.
    return connected_components(graph, directed=False)[1]
