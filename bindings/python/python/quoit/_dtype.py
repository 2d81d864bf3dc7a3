"""What a numpy dtype is to a ring: size, alignment, and tag."""

from operator import itemgetter

_RUST = {"u": "u", "i": "i", "f": "f"}


def _has_padding(dtype):
    """Whether some byte belongs to no scalar, or to two."""
    if dtype.subdtype is not None:
        return _has_padding(dtype.subdtype[0])
    if dtype.fields is None:
        # A long double: of its 16 bytes, x86 sets ten.
        return dtype.char in "gG"
    end = 0
    for part, at in sorted((dtype.fields[name][:2] for name in dtype.names), key=itemgetter(1)):
        if at != end or _has_padding(part):
            return True
        end = at + part.itemsize
    return end != dtype.itemsize


def _scalars(dtype, offset=0):
    """Offset and alignment of each scalar."""
    if dtype.subdtype is not None:
        yield from _scalars(dtype.subdtype[0], offset)
    elif dtype.fields is None:
        yield offset, dtype.alignment
    else:
        for name in dtype.names:
            field, at = dtype.fields[name][:2]
            yield from _scalars(field, offset + at)


def _alignment(dtype):
    """That of the C struct with these fields; 1 if C would lay them out otherwise."""
    scalars = list(_scalars(dtype))
    align = max(align for _, align in scalars)
    fits = dtype.itemsize % align == 0 and all(at % align == 0 for at, align in scalars)
    return align if fits else 1


def _tag(dtype):
    """The name of the Rust type, where there is one."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        tag = _tag(base)
        for count in reversed(shape):
            tag = f"[{tag}; {count}]"
        return tag
    if dtype.kind in _RUST and dtype.isnative and dtype.itemsize <= 8 and dtype.str != "<f2":
        return f"{_RUST[dtype.kind]}{8 * dtype.itemsize}"
    if not dtype.fields:
        return f"numpy {dtype.str}"
    try:
        return f"numpy {dtype.descr}"
    except ValueError:  # its fields are not in the order of their places
        return f"numpy {dtype}"


def record(dtype, tag, align):
    """The dtype, and its size, alignment and tag."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError("records are numpy arrays: install numpy, or use a ring of frames") from error
    dtype = numpy.dtype(dtype)
    if dtype.hasobject or dtype.itemsize == 0:
        raise TypeError(f"{dtype} cannot be a record: it has pointers, or no bytes")
    if _has_padding(dtype):
        raise TypeError(
            f"{dtype} cannot be a record: it has padding, bytes that no code has set, or fields that overlap; "
            "name a field for such bytes, or order the fields by size"
        )
    align = _alignment(dtype) if align is None else align
    return dtype, (dtype.itemsize, align, _tag(dtype) if tag is None else tag)
