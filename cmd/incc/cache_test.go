package main

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/ir"
	"github.com/urfave/cli/v2"
)

// TestPictureCache: how many bytes of images stay in memory for the flag and the free
// memory, and what is refused.
func TestPictureCache(t *testing.T) {
	defer func(f func() (int64, bool)) { freeMemory = f }(freeMemory)
	in := ir.Shape{ir.Batch, 3, 10, 10}
	for _, c := range []struct {
		flag  string
		free  int64
		known bool
		held  int64
		want  int64
		err   string
	}{
		{"", 1 << 20, true, 0, 1 << 19, ""},
		{"", 1 << 20, true, 1 << 19, 1 << 19, ""}, // what is held already is not free
		{"", 0, false, 0, unknownMemory / 2, ""},
		{"0", 1 << 20, true, 0, 0, ""},
		{"10KB", 1 << 20, true, 0, 10000, ""},
		{"10KB", 1 << 20, true, 4000, 6000, ""},
		{"10KB", 1 << 20, true, 20000, 0, ""},
		{"1GB", 1 << 20, true, 0, 1e9, ""}, // all images take 300,000 bytes
		{"1GB", 290000, true, 0, 0, "--cache 1GB is too much: 1000 pictures take 293.0 KiB as images of 3x10x10; 283.2 KiB are free"},
		{"", 2000, true, 0, 0, "reading pictures of 3x10x10 takes"},
		{"-1", 1 << 20, true, 0, 0, "is not a size"},
		{"", -5, true, 0, 0, "reading pictures of 3x10x10 takes"},
	} {
		freeMemory = func() (int64, bool) { return c.free, c.known }
		app := &cli.App{Flags: []cli.Flag{cacheFlag}, Action: func(ctx *cli.Context) error {
			got, err := pictureCache(ctx, 1000, in, c.held)
			if err == nil && (c.err != "" || got != c.want) || err != nil && (c.err == "" || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%+v: %d, %v", c, got, err)
			}
			return nil
		}}
		args := []string{"incc"}
		if c.flag != "" {
			args = append(args, "--cache="+c.flag)
		}
		if err := app.Run(args); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLimitGarbage: many images in memory make the collector come earlier, few do not, and
// nothing makes it come later.
func TestLimitGarbage(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer func(f func() (int64, bool)) { freeMemory = f }(freeMemory)
	freeMemory = func() (int64, bool) { return 800, true }
	for _, c := range []struct {
		held    int64
		percent int
	}{{100, 100}, {200, 50}, {800, 12}, {400, 12}, {1 << 40, 5}} {
		limitGarbage(c.held)
		got := debug.SetGCPercent(100)
		debug.SetGCPercent(got)
		if got != c.percent {
			t.Errorf("%d bytes held: %d %%, want %d %%", c.held, got, c.percent)
		}
	}
}

// TestWaitIsSaid: the lines of steps and epochs say how long the steps waited where it is
// more than 5 % of their time.
func TestWaitIsSaid(t *testing.T) {
	for waited, want := range map[float64]bool{0: false, 0.4: false, 0.8: true, 9: true} {
		var out bytes.Buffer
		p := newProgress(&out)
		p.Begin(&train.State{}, 10, 1, false)
		p.start, p.last = time.Now().Add(-10*time.Second), time.Time{}
		p.Step(&train.State{Step: 3, Global: 3, Waited: waited}, train.Stats{Loss: 1}, 8)
		if got := strings.Contains(out.String(), "% waiting for images"); got != want {
			t.Errorf("%g s of 10 s: %q", waited, &out)
		}
		out.Reset()
		p.line(train.Row{Epoch: 1, Seconds: 10, Images: 80, Waited: waited})
		if got := strings.Contains(out.String(), "% waiting for images"); got != want {
			t.Errorf("%g s of 10 s: %q", waited, &out)
		}
	}
}
