package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/chart"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/cpu/peers"
)

// growthPairs limits the turns of each point, because the largest batches take seconds.
const growthPairs = 8

var module = regexp.MustCompile(`(?m)^(\d[a-e]): (inception[ \d]+\d)(.*)$`)

// scaling matches the keys of an input statement that resize and crop pictures. They are
// removed, because their sizes do not fit the inputs that are tried.
var scaling = regexp.MustCompile(` resize=\d+ crop=\w+`)

// deeper repeats each module of GoogLeNet.
func deeper(text string, times int) string {
	return module.ReplaceAllStringFunc(text, func(line string) string {
		m := module.FindStringSubmatch(line)
		s := ""
		for i := 2; i <= times; i++ {
			s += fmt.Sprintf("%s_%d: %s\n", m[1], i, m[2])
		}
		return s + line
	})
}

// growth measures how time grows with work, by batch, picture and depth.
func (r *report) growth() error {
	type point struct {
		series, label string
		batch         int
		change        func(text string) string
	}
	var points []point
	for _, b := range []int{1, 2, 4, 8, 16, 32, 64} {
		points = append(points, point{"batch", fmt.Sprint(b), b, nil})
	}
	for _, side := range []int{112, 160, 224, 320, 448} {
		points = append(points, point{"picture", fmt.Sprintf("%d x %d", side, side), 1, func(s string) string {
			return scaling.ReplaceAllString(large.ReplaceAllString(s, fmt.Sprintf("input image 3x%dx%d", side, side)), "")
		}})
	}
	for _, k := range []int{1, 2, 4} {
		points = append(points, point{"depth", fmt.Sprintf("%d modules", 9*k), 1, func(s string) string { return deeper(s, k) }})
	}
	isa, err := kernel.Best()
	if err != nil {
		return err
	}
	t := &table{head: []string{"grows", "to", "GMACs", "incc, ms", "of the peak", "ONNX Runtime, ms", "times faster"}}
	curves := map[string][]chart.Point{}
	for _, x := range points {
		r.row("growth", x.series+" "+x.label, func() error {
			n, err := spec("googlenet", withoutLRN, "")
			if err != nil {
				return err
			}
			if x.change != nil {
				n.text = x.change(n.text)
			}
			us, err := r.ours(n, "O2", cpu.Options{Batch: x.batch, Threads: r.threads})
			if err != nil {
				return err
			}
			them, err := r.theirs(newest(isa), n, "O1", x.batch, r.threads)
			if err != nil {
				return err
			}
			defer them.close()
			top := kernel.Peak(isa, r.threads, peakTime)
			times, err := r.race(min(r.pairs, growthPairs), us, them)
			if err != nil {
				return err
			}
			top = max(top, kernel.Peak(isa, r.threads, peakTime))
			t.add(x.series, x.label, fmt.Sprintf("%.2f", float64(us.macs)*1e-9), millis(times[0]), percent(us.macs, median(times[0]), top),
				millis(times[1]), fmt.Sprintf("%.2f", peers.Versus(times[0], times[1]).Ratio()))
			for i, who := range []string{"incc", "ONNX Runtime"} {
				key := who + ", " + x.series
				curves[key] = append(curves[key], chart.Point{X: float64(us.macs) * 1e-9, Y: median(times[i]) * 1e3})
			}
			return nil
		})
	}
	body := []string{t.String()}
	if r.plot != "" && len(curves) > 0 {
		if err := drawGrowth(r.plot, curves); err != nil {
			return err
		}
		link := r.plot
		if r.readme != "" {
			if link, err = filepath.Rel(filepath.Dir(r.readme), r.plot); err != nil {
				return err
			}
		}
		body = append(body, fmt.Sprintf("![time against multiply-accumulates](%s.png)\n", filepath.ToSlash(link)))
	}
	return r.publish("growth", "Time as work grows", fmt.Sprintf("GoogLeNet without LRN, %d threads, ONNX Runtime %s, at most %d turns of each side. Rows *batch* have more images, rows *picture* larger ones; "+
		"rows *depth* have every Inception module one, two and four times.", r.threads, peers.ORT, growthPairs), body...)
}

// drawGrowth draws time against work, both logarithmic: a line parallel to the diagonal
// is a constant rate.
func drawGrowth(path string, curves map[string][]chart.Point) error {
	p := chart.Panel{Title: "GoogLeNet without LRN", X: chart.Axis{Label: "GMACs", Log: true}, Y: chart.Axis{Label: "ms", Log: true}}
	for i, engine := range []string{"incc", "ONNX Runtime"} {
		for j, series := range []string{"batch", "picture", "depth"} {
			name := engine + ", " + series
			p.Curves = append(p.Curves, chart.Curve{Name: name, Points: curves[name], Colour: i, Dash: [][]float64{nil, chart.Dashed, {2, 3}}[j]})
		}
	}
	out, err := os.Create(path + ".png")
	if err != nil {
		return err
	}
	if err := chart.WritePNG(out, p); err != nil {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}
