"""Errors of all levels, from those inside groups and between them."""

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.covariance import BATCH, GroundedInverse
from jwst_mosaic_skymatch.footprint import member_shares
from jwst_mosaic_skymatch.solution import incidence_matrix

__all__ = ["GroupCovariance", "level_errors"]


class GroupCovariance:
    """Covariance of levels that have zero mean over each connected part.

    It is held as a factorized sparse matrix: for thousands of groups the
    covariance itself would fill the memory.

    Parameters
    ----------
    normal : sparse array, shape (n, n)
        Normal matrix with zero row sums.
    parts : ndarray of int, shape (n,)
        Connected part of each level, from 0.
    """

    def __init__(self, normal, parts):
        self.parts = parts
        self._counts = np.bincount(parts)
        # What leads out of a part (too few cells to be a pair) is no tie.
        ties = normal.tocoo()
        inside = (parts[ties.row] == parts[ties.col]) & (ties.row != ties.col)
        ends = (ties.row[inside], ties.col[inside])
        off = sparse.coo_array((ties.data[inside], ends), shape=ties.shape).tocsr()
        normal = off - sparse.diags_array(off.sum(axis=1))
        self._inverse = GroundedInverse(normal, np.unique(parts, return_index=True)[1])

    def centre(self, values):
        """Subtract the mean of each part.

        Parameters
        ----------
        values : ndarray, shape (n,) or (n, k)
            Values of levels.

        Returns
        -------
        ndarray
            Values with zero mean.
        """
        membership = sparse.csr_array(
            (np.ones(len(self.parts)), (self.parts, np.arange(len(self.parts))))
        )
        means = (membership @ values).T / self._counts
        return values - means.T[self.parts]

    def apply(self, values):
        """Multiply with the covariance.

        Parameters
        ----------
        values : ndarray, shape (n,) or (n, k)
            What to multiply.

        Returns
        -------
        ndarray
            The product.
        """
        return self.centre(self._inverse.solve(self.centre(values)))

    def columns(self):
        """Go through the columns of the covariance, some at a time.

        Yields
        ------
        numbers : ndarray of int, shape (k,)
            Which columns.
        columns : ndarray, shape (n, k)
            These columns.
        """
        n = len(self.parts)
        for start in range(0, n, BATCH):
            numbers = np.arange(start, min(start + BATCH, n))
            unit = np.zeros((n, numbers.size))
            unit[numbers, np.arange(numbers.size)] = 1.0
            yield numbers, self.apply(unit)

    @property
    def variances(self):
        """Diagonal of the covariance, an array of shape (n,)."""
        diagonal = np.zeros(len(self.parts))
        for numbers, columns in self.columns():
            diagonal[numbers] = columns[numbers, np.arange(numbers.size)]
        return diagonal

    def of_differences(self, offsets):
        """Find the variance of the difference of each pair.

        Parameters
        ----------
        offsets : sequence of PairOffset
            The pairs.

        Returns
        -------
        ndarray, shape (n_pairs,)
            Variance of the difference of their two levels.
        """
        return self._inverse.quadratic_forms(incidence_matrix(len(self.parts), offsets))


def level_errors(n, groups, offsets, between, covariance, components, counted):
    r"""Propagate in-group errors through the offsets between groups.

    Parameters
    ----------
    n : int
        Number of exposures.
    groups : sequence of Group
        All groups, with the covariance of their members' levels.
    offsets : sequence of PairOffset
        Pairs of groups.
    between : Solution
        The solution for them.
    covariance : GroupCovariance or None
        Covariance of the levels of groups; None without pairs.
    components : ndarray of int, shape (n,)
        Component of each exposure, -1 for none.
    counted : ndarray of bool, shape (n,)
        Exposures over which the mean of a component is taken to be zero.

    Returns
    -------
    ndarray, shape (n,)
        1-sigma errors, MJy/sr; NaN where nothing ties a level to others.

    Notes
    -----
    With in-group errors e (covariance C), shares F of the members in the
    overlaps, and the operator H that takes offsets to group levels, levels are
    off by (1 - P H F) e + P g, P giving each exposure its group, g the errors
    of the group levels; in a mean weighted by inverse variance g and e are
    independent. Only the diagonal of the covariance is ever formed.
    """
    inside, owner = _in_group(n, groups)
    spread = sparse.csr_array((np.ones(owner[0].size), owner), shape=(n, len(groups)))
    group_of = np.full(n, -1)
    group_of[owner[0]] = owner[1]
    variance = inside.diagonal()

    def apply(values):
        return inside @ values

    if offsets:
        shares = _shares(n, groups, offsets)
        incidence = incidence_matrix(len(groups), offsets)
        weighted = (incidence.T @ sparse.diags_array(between.weights)).tocsr()
        operator = GroupCovariance((weighted @ incidence).tocsr(), covariance.parts)
        scale = np.sqrt(between.inflation)
        to_groups = (weighted @ shares).tocsr()  # offsets that errors of members make
        variance = variance + _between(
            group_of, covariance, operator, scale, to_groups, to_groups @ inside
        )

        def apply(values):
            back = values - to_groups.T @ operator.apply(spread.T @ values)
            back = inside @ back
            back -= spread @ operator.apply(to_groups @ back)
            return back + spread @ (scale * covariance.apply(scale * (spread.T @ values)))

    known = components >= 0
    counts = np.bincount(components[counted], minlength=components.max(initial=-1) + 1)
    mean = np.where(counted, 1.0, 0.0)
    mean[known] /= counts[components[known]]
    with_mean = apply(mean)
    of_mean = np.bincount(components[known], (mean * with_mean)[known])
    variance[known] += of_mean[components[known]] - 2.0 * with_mean[known]
    variance[~known] = np.nan
    for k, group in enumerate(groups):
        if between.components[k] < 0 and not np.any(group.covariance):
            variance[list(group.members)] = np.nan
    return np.sqrt(np.maximum(variance, 0.0))


def _in_group(n, groups):
    """Covariance of all members inside their groups, and the group of each."""
    members = np.concatenate([np.array(g.members) for g in groups] or [np.zeros(0, int)])
    sizes = [len(g.members) for g in groups]
    blocks = sparse.block_diag([g.covariance for g in groups] or [np.zeros((0, 0))], format="coo")
    inside = sparse.coo_array(
        (blocks.data, (members[blocks.row], members[blocks.col])), shape=(n, n)
    ).tocsr()
    return inside, (members, np.repeat(np.arange(len(groups)), sizes))


def _between(group_of, covariance, operator, scale, to_groups, with_inside):
    """Variances that offsets between groups add, and what they share with e."""
    added = np.zeros(len(group_of))
    spoiled = (with_inside @ to_groups.T).tocsr()
    crossed = with_inside.T.tocsr()
    for (numbers, columns), (_, own) in zip(operator.columns(), covariance.columns(), strict=True):
        k = np.arange(numbers.size)
        diagonal = np.sum(columns * (spoiled @ columns), axis=0)
        diagonal += scale[numbers] ** 2 * own[numbers, k]
        here = np.flatnonzero((group_of >= numbers[0]) & (group_of <= numbers[-1]))
        column = group_of[here] - numbers[0]
        shared = crossed[here].multiply(columns.T[column]).sum(axis=1)
        added[here] = diagonal[column] - 2.0 * np.asarray(shared).ravel()
    return added


def _shares(n, groups, offsets):
    rows, columns, values = [], [], []
    for row, offset in enumerate(offsets):
        ends = groups[offset.first], groups[offset.second]
        for sign, group, other in ((1.0, *ends), (-1.0, *ends[::-1])):
            if len(group.members) > 1:
                rows += [row] * len(group.members)
                columns += group.members
                values += (sign * member_shares(group.maps, other.maps)).tolist()
    shape = (len(offsets), n)
    return sparse.csr_array((values, (rows, columns)), shape=shape, dtype=float)
