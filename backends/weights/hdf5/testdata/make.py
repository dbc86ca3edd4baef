# Makes the files of this folder: python make.py, with h5py 3.14 and numpy.
#
# old.h5, new.h5: the same groups, arrays and attributes as HDF5 has written them since its
# first versions, and as its newest version does (libver="latest"). values.txt has the values.
# userblock.h5: a file that begins at byte 512.
import os
import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
x = (np.arange(7 * 5 * 3) / 8 - 3).reshape(7, 5, 3)
long_names = [f"a/rather/long/name/of/a/layer_{i}" for i in range(40)]


def fill(f):
    g = f.create_group("kinds")
    for name, t in [("f16", "<f2"), ("f32", "<f4"), ("f64", "<f8"), ("f32_big", ">f4"), ("f64_big", ">f8"),
                    ("i8", "<i1"), ("i32", "<i4"), ("i64_big", ">i8"), ("u16", "<u2")]:
        g.create_dataset(name, data=np.abs(x).astype(t) if t[1] in "iu" else x.astype(t))
    g.create_dataset("scalar", data=np.float32(0.5))
    g.create_dataset("empty", data=np.zeros((0, 3), "<f4"))
    h = f.create_group("chunks")
    h.create_dataset("plain", data=x.astype("<f4"), chunks=(2, 3, 2))
    h.create_dataset("gzip", data=x.astype("<f4"), chunks=(7, 5, 3), compression="gzip")
    h.create_dataset("shuffled", data=x.astype("<f8"), chunks=(3, 2, 3), compression="gzip", shuffle=True)
    h.create_dataset("checked", data=x.astype("<f4"), chunks=(4, 4, 2), fletcher32=True, compression="gzip")
    p = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    p.set_layout(h5py.h5d.COMPACT)
    d = h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), p)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, x[0, 0].astype("<f4"))
    many = f.create_group("many")
    for i in range(90):
        many.create_dataset(f"dataset_number_{i:02}", data=np.float32(i))
    a = f.create_group("attributes")
    a.attrs["fixed"] = np.array([n.encode() for n in long_names])
    a.attrs["variable"] = long_names
    a.attrs["one"] = "a text"
    a.attrs["none"] = np.array([], dtype="<f8")
    a.attrs["number"] = 3
    for i in range(60):
        a.attrs[f"attribute_number_{i}"] = f"value {i}"
    f["soft"] = h5py.SoftLink("/kinds")
    f["twice"] = f["kinds/f32"]


for name, libver in [("old.h5", "earliest"), ("new.h5", "latest")]:
    with h5py.File(name, "w", libver=libver) as f:
        fill(f)
with h5py.File("userblock.h5", "w", userblock_size=512) as f:
    f["a"] = x[0].astype("<f4")
with h5py.File("old.h5") as f, open("values.txt", "w") as out:
    def write(path, group):
        for name, d in group.items():
            if isinstance(d, h5py.Group):
                if name != "soft":
                    write(path + name + "/", d)
            else:
                print(path + name, ",".join(map(str, d.shape)) or "-", *np.asarray(d).astype("f8").flatten().tolist(), file=out)

    write("", f)
