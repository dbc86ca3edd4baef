package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

var valFlag = &cli.StringFlag{Name: "val", Usage: "validate with `PART` of the training images, drawn evenly from every class: a fraction (0.1 or 10%) or a number of images, 0 for none; or with the pictures of a folder. By default with those in the folder val of the data, else with a twelfth"}

// validation says which images a run validates with.
type validation struct {
	folder string
	share  float64 // of the training images, if it is above 0
	images int     // if there is neither a folder nor a share; -1 for the default
}

// parseValidation parses the value of --val. A value that is not a number is a folder.
func parseValidation(s string) (validation, error) {
	bad := func() (validation, error) {
		return validation{}, fmt.Errorf("--val %s (want a fraction of the training images, 0.1 or 10%%, a number of them, or a folder)", diag.Name(s))
	}
	if s == "" {
		return validation{images: -1}, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > math.MaxInt32 {
			return bad()
		}
		return validation{images: n}, nil
	}
	number, percent := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange) && !percent && !strings.ContainsRune(s, 0):
		return validation{folder: s}, nil
	case err != nil:
		return bad()
	case percent:
		x /= 100
	}
	switch {
	case x == 0:
		return validation{}, nil
	case x > 0 && x < 1:
		return validation{share: x}, nil
	case percent && x == 1:
		return validation{}, usagef("--val 100%% leaves no images to train on: take a smaller part, such as --val 10%%")
	}
	return bad()
}

// none reports whether the run does not validate.
func (v validation) none() bool { return v == validation{} }

// byDefault reports whether --val was not given.
func (v validation) byDefault() bool { return v == validation{images: -1} }

// count returns the number of images to draw from a set.
func (v validation) count(s *data.Set) int {
	n := s.Len()
	switch {
	case v.share > 0:
		return max(1, int(math.Round(v.share*float64(n))))
	case v.images >= 0:
		return v.images
	}
	// A twelfth, but at least one image of every class unless the classes are tiny.
	k := 0
	for _, c := range s.Counts() {
		if c > 1 {
			k++
		}
	}
	if n/12 < k && n >= 4*k {
		return k
	}
	return n / 12
}

// division is the split of a data set for a run.
type division struct {
	train, val *data.Set // val is nil for none
	drawn      bool      // whether val was drawn from the training images
	seed       int64     // the seed of the drawing
}

// divide splits the images of a data set according to v. If v names a folder, its
// pictures are read in the size that the network g needs.
func divide(c *cli.Context, g *ir.Graph, src *data.Source, v validation, seed int64) (d division, err error) {
	d = division{train: src.Train, seed: seed}
	if src.Val != nil && !v.byDefault() {
		say(c.App.ErrWriter, "note: the validation images of the data are not used, as --val names others")
	}
	switch {
	case v.none():
		return d, nil
	case v.folder != "" && files.Same(v.folder, c.String("data")):
		return d, usagef("--val names the folder of the data: its pictures are those to train on; leave out --val, or name a fraction, a number or another folder")
	case v.folder != "":
		d.val, err = validationFolder(c, v.folder, g, src)
		return d, err
	case v.byDefault() && src.Val != nil:
		d.val = src.Val
		return d, nil
	}
	if all := src.Train.Len(); v.share > 0 && v.share*float64(all) < 0.5 {
		return d, usagef("--val %s of %s is less than one: take a larger part, or 0 for none", c.String("val"), diag.Count(all, "training image"))
	}
	n := v.count(src.Train)
	if n >= src.Train.Len() {
		return d, usagef("--val %d of %d training images leaves none to train on", n, src.Train.Len())
	}
	if n > 0 {
		d.train, d.val = src.Train.Stratify(n, seed)
		d.drawn = true
	}
	return d, nil
}

// coarseNote says that an accuracy on so few validation images is coarse, "" where they
// are many.
func coarseNote(images, classes int) string {
	if images == 0 || images >= 50 && images >= 10*classes {
		return ""
	}
	return fmt.Sprintf("note: the validation accuracy is coarse: it has %s, of %s; --val can give more", diag.Count(images, "image"), classCount(classes))
}

// identity describes the images for validation, for the identity of a run.
func (d division) identity() string {
	switch {
	case d.val == nil:
		return "none"
	case d.drawn:
		return fmt.Sprintf("%d images drawn with seed %d, SHA-256 of their numbers %s", d.val.Len(), d.seed, train.DigestPlaces(d.val.Places))
	}
	return "SHA-256 " + train.DigestData(d.val)
}

// evalPart returns the images that incc eval --split names, and the name of the
// part: by default the test images, or the validation images if there are no test
// images. run is the folder of the run whose network is evaluated, or "".
func evalPart(c *cli.Context, g *ir.Graph, src *data.Source, run string) (*data.Set, string, error) {
	split := c.String("split")
	switch split {
	case "":
		if src.Test != nil {
			return src.Test, "test", nil
		}
		set, err := validationPart(c, g, src, run)
		if err == nil && set == nil {
			err = fmt.Errorf("%s has neither test nor validation images; --split train takes all its images", src.Name)
		}
		return set, "val", err
	case "test":
		if src.Test == nil {
			return nil, "", fmt.Errorf("%s has no test images; use --split val or --split train", src.Name)
		}
		return src.Test, split, nil
	case "val":
		set, err := validationPart(c, g, src, run)
		if err == nil && set == nil {
			err = fmt.Errorf("%s has no validation images; use --split test or --split train", src.Name)
		}
		return set, split, err
	case "train":
		d, err := divisionOf(c, g, src, run)
		if err != nil || d == nil {
			return src.Train, split, err
		}
		return d.train, split, nil
	}
	return nil, "", usagef("unknown split %s (want test, val or train)", diag.Quote(split))
}

// validationPart returns the images that a run validated with: it draws them again in
// the same way. Without a run, or with data other than those of the run, it returns the
// validation images of the data set. It returns nil if there are none.
func validationPart(c *cli.Context, g *ir.Graph, src *data.Source, run string) (*data.Set, error) {
	d, err := divisionOf(c, g, src, run)
	if err != nil || d == nil {
		return src.Val, err
	}
	return d.val, nil
}

// divisionOf divides the data of a run as the run did. It returns nil without a run, or with
// data other than those of the run.
func divisionOf(c *cli.Context, g *ir.Graph, src *data.Source, run string) (*division, error) {
	if run == "" {
		return nil, nil
	}
	b, err := readBegin(run)
	if err != nil {
		return nil, err
	}
	name, err := datasetPath(c.String("data"))
	switch {
	case err != nil:
		return nil, err
	case name != b.Data:
		return nil, nil
	case b.Overfit > 0:
		return &division{train: src.Train}, nil
	}
	other := "--split test"
	if c.String("split") != "train" {
		other += " or --split train"
	}
	was, ok := b.Identity["validation"]
	if !ok {
		return nil, fmt.Errorf("the run in %s was made by an older incc, which did not record its validation images; use %s", diag.Name(run), other)
	}
	v, err := parseValidation(string(b.Val))
	if err != nil {
		return nil, err
	}
	d, err := divide(c, g, src, v, recipeOf(g).Run.Seed)
	if err != nil {
		return nil, err
	}
	is, isVal := dataIdentity(src), d.identity()
	if b.Engine == torchEngine {
		is = labelsIdentity(src.Train)
		if d.val != nil && !d.drawn {
			isVal = labelsIdentity(d.val)
		}
	} else if !train.Comparable(b.Identity["data"], is) {
		return nil, fmt.Errorf("the run in %s was made by an older incc, which recorded its images in another way, so its validation images are unknown; use %s", diag.Name(run), other)
	}
	if isVal != was || b.Identity["data"] != is {
		return nil, fmt.Errorf("the images in %s have changed since the run in %s was started, so its validation images are unknown; use %s", diag.Name(b.Data), diag.Name(run), other)
	}
	return &d, nil
}

// dataIdentity identifies the training images in the identity of a run.
func dataIdentity(src *data.Source) string {
	return "SHA-256 of images " + train.DigestData(src.Train)
}

// labelsIdentity identifies images by their labels and order alone, in the words of train.py
// (backends/torch/templates/runfolder.py): its decoders of pictures round otherwise than those
// of incc.
func labelsIdentity(s *data.Set) string {
	return fmt.Sprintf("labels of %d images, SHA-256 %s", s.Len(), train.DigestPlaces(s.Labels))
}
