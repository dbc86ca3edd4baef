"""Writes the .npy files of this folder with NumPy."""
import numpy as np

x = np.arange(24).reshape(2, 3, 4)
for kind in "<f4 >f4 <f8 >f8 |i1 <i2 >i2 <i4 >i4 <i8 >i8 |u1 <u2 >u2 <u4 >u4 <u8 >u8".split():
    signed = kind[1] != "u"
    y = (x * 5 - 60 * signed).astype(kind)
    if kind[1] == "f":
        y = y / np.dtype(kind).type(4)
    name = kind.replace("<", "le_").replace(">", "be_").replace("|", "")
    np.save(name + "_c.npy", y.astype(kind))
    np.save(name + "_fortran.npy", np.asfortranarray(y.astype(kind)))
np.save("b1_c.npy", x % 3 == 0)
np.save("scalar.npy", np.float32(7))
np.save("vector.npy", np.arange(5, dtype="<f4"))
np.save("empty.npy", np.zeros((2, 0, 3), "<f4"))
np.save("complex.npy", np.zeros(3, "<c8"))
np.save("records.npy", np.zeros(3, [("a", "<f4"), ("b", "<i4")]))
np.save("object.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
for version in (2, 3):
    with open(f"version{version}.npy", "wb") as f:
        np.lib.format.write_array(f, x.astype("<f4"), version=(version, 0))
