"""What differs between the libraries of jwst 1.20 and those of later versions."""

from inspect import signature

from drizzle.resample import Drizzle

__all__ = ["add_image"]

_KERNEL_HAS_ITS_OWN_SCALE = "pixel_scale_ratio" in signature(Drizzle.add_image).parameters


def add_image(drizzle, data, *, pixel_scale_ratio, **arguments):
    """Drizzle an image as drizzle 2.2 does; in 2.1 the kernel's scale also scales the image.

    Parameters
    ----------
    drizzle : `~drizzle.resample.Drizzle`
        Where to add the image.
    data : ndarray of float32, shape (ny, nx)
        The image.
    pixel_scale_ratio : float
        Side of an output pixel in input pixels.
    **arguments
        Of `~drizzle.resample.Drizzle.add_image`.
    """
    if _KERNEL_HAS_ITS_OWN_SCALE:
        drizzle.add_image(data, pixel_scale_ratio=pixel_scale_ratio, **arguments)
    else:
        drizzle.add_image(data / pixel_scale_ratio**2, scale=pixel_scale_ratio, **arguments)
