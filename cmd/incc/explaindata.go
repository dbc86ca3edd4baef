package main

// explainLayouts is the part of the page about data sets that is not about the files
// of pictures.
func explainLayouts() string {
	return `mnist, fashion-mnist
  The published division into images for training and for the test.
a folder of pictures, in one folder for each class
  pictures/cat/1.png
  pictures/dog/walking/2.jpg
  The names of the folders are those of the classes. Folders inside the folder of
  a class belong to the class.
a folder of parts, each with one folder for each class
  pictures/train/cat/1.png
  pictures/val/cat/2.png
  pictures/test/cat/3.png
  The first is trained on, the second validated with after each epoch, the third
  tested with once, at the end. val and test may be missing. Other names are
  training, valid, validation and testing, in small or capital letters.
a folder of IDX files
  train-images-idx3-ubyte, train-labels-idx1-ubyte, and the same two with t10k in
  place of train for the test; each may be compressed (.gz), have a dot before
  idx, or be named as EMNIST does: emnist-letters-train-images-idx3-ubyte.
a folder of CIFAR's binary files
  data_batch_1.bin to data_batch_5.bin and test_batch.bin, or those of CIFAR-100,
  train.bin and test.bin. Files of IDX and CIFAR may be in a folder inside, such
  as MNIST/raw and cifar-10-batches-bin.

Validation

Validation images are those in the folder val. Without it they are drawn from the
training images by the seed of the run, the same share of every class: a twelfth,
or what --val says. --val 0.1 and --val 10% are fractions, --val 500 is a number
of images, --val DIR a folder with one folder for each class. incc data inspect
DATA prints how a run would divide the data.

The best weights of a run are those of the epoch with the highest validation
accuracy (or the lowest loss, with early_stop metric=loss). Of epochs with the same
accuracy, the one with the lower validation loss is the best. With few validation
images the accuracy has coarse steps: incc train says so where they are fewer than
50, or than 10 for each class.

Classes

Where a spec has labels, they are compared with the names of the folders: they must
be the same, in any order. Where it has none, the spec of the run gets the names of
the folders. A network needs one output for each class; if the spec has a let that
is called classes, incc train sets it to their number.

Charts, confusion matrices and sheets show names in European alphabets, Chinese,
Japanese and Korean. A class whose name has other characters has its number there;
the tables beside them have every name.

CSV files have names as they are, in quotes where RFC 4180 wants that. To a
spreadsheet a name that begins with = + - or @ is a formula: import such columns as
text before you open files with names from people whom you do not trust.

Files

Hidden files and files of other kinds are left out and counted. Pictures that
cannot be read are left out and listed; more than a tenth of them is an error, and
with --strict each one is.

Memory

All pictures are decoded when a run begins. As many of them as --cache allows (by
default half of the free memory) stay in memory, scaled to the size that the network
takes. The others are decoded again in each epoch while the steps are computed. The
results are the same bits. A picture that is gone by then, or has other pixels, ends
the run with an error; --resume continues from its checkpoint. At its end a run says
how long its steps waited for images, as does the column wait_seconds of results.csv.

`
}
