package view

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// pageScripts are the scripts of the page, in their order.
var pageScripts = []string{"uPlot.iife.min.js", "common.js", "plan.js", "try.js", "runs.js", "app.js"}

// PageOptions say what a page that is written once holds.
type PageOptions struct {
	View
	Measure  bool // measured times in the plan, else predicted ones
	Mistakes bool // the mistakes of the runs
}

// pageData is what a page that needs no server holds.
type pageData struct {
	Network   *Network    `json:"network"`
	Plan      *Plan       `json:"plan"`
	PlanError string      `json:"plan_error,omitempty"`
	Times     []Value     `json:"times"`    // as those of Engine.StageTimes
	Drawings  []string    `json:"drawings"` // after each pass; "" for the one before, or for want of room
	Runs      []Run       `json:"runs"`
	Details   []*Details  `json:"details"`
	Mistakes  []*Mistakes `json:"mistakes"`
}

func dataOf(ctx context.Context, src Source, o PageOptions) (d pageData, err error) {
	if src.Text != nil {
		c := &cache{src: src}
		if d.Network, err = c.network(o.View); err != nil {
			return d, err
		}
		if m, err := c.shown(); err == nil && src.Engine != nil {
			d.Times = src.Engine.StageTimes(d.Network.Stages)
			d.Plan, err = src.Engine.Plan(m.graph, m.version, o.Measure)
			switch {
			case err != nil && o.Measure:
				return d, err
			case err != nil:
				d.PlanError = err.Error()
			}
		}
		if err := d.drawStages(c, o.View); err != nil {
			return d, err
		}
	}
	if src.Runs == nil {
		return d, nil
	}
	if d.Runs, err = src.Runs(); err != nil {
		return d, err
	}
	for i := range d.Runs {
		var details *Details
		if src.Details != nil {
			if details, err = src.Details(i); err != nil {
				return d, err
			}
		}
		d.Details = append(d.Details, details)
		if o.Mistakes {
			m, err := src.Mistakes(ctx, i)
			if err != nil {
				return d, fmt.Errorf("%s: %w", d.Runs[i].Name, err)
			}
			d.Mistakes = append(d.Mistakes, m)
		}
	}
	return d, nil
}

// maxDrawings is the number of bytes that the drawings after passes have at most together.
const maxDrawings = 1 << 20

// drawStages draws the network after each pass that changes something, while there is room.
func (d *pageData) drawStages(c *cache, v View) error {
	size := 0
	for i, s := range d.Network.Stages {
		d.Drawings = append(d.Drawings, "")
		if i == 0 || s.Changes == 0 {
			continue
		}
		v.Stage = i
		n, err := c.network(v)
		if err != nil {
			return err
		}
		if size += len(n.SVG); size <= maxDrawings {
			d.Drawings[i] = n.SVG
		}
	}
	return nil
}

// WritePage writes the page as one file that needs no server. It holds the network as it is
// drawn in a view, its plan, and the runs.
func WritePage(ctx context.Context, w io.Writer, src Source, o PageOptions) error {
	data, err := dataOf(ctx, src, o)
	if err != nil {
		return err
	}
	// json.Marshal writes < as an escape, so that the data cannot end its element.
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	page, err := content("index.html")
	if err != nil {
		return err
	}
	text := strings.Replace(string(page), `<link rel="icon" href="icon.svg">`+"\n", "", 1)
	var scripts, styles []string
	for _, name := range []string{"uPlot.min.css", "fonts.css", "draw.css", "style.css"} {
		b, err := content(name)
		if err != nil {
			return err
		}
		if name == "fonts.css" {
			b = []byte(fontStyle(inside))
		}
		styles = append(styles, hashOf(b))
		text = strings.Replace(text, `<link rel="stylesheet" href="`+name+`">`, "<style>"+string(b)+"</style>", 1)
	}
	for _, name := range pageScripts {
		b, err := content(name)
		if err != nil {
			return err
		}
		if bytes.Contains(b, []byte("</script")) {
			return fmt.Errorf("%s cannot stand inside of a page", name)
		}
		scripts = append(scripts, hashOf(b))
		text = strings.Replace(text, `<script src="`+name+`" defer></script>`, "", 1)
		text = strings.Replace(text, "</body>", "<script>"+string(b)+"</script>\n</body>", 1)
	}
	rule := "default-src 'none'; script-src " + strings.Join(scripts, " ") + "; style-src " + strings.Join(styles, " ") + "; font-src data:; base-uri 'none'; form-action 'none'"
	text = strings.Replace(text, "<head>", "<head>\n<meta http-equiv=\"Content-Security-Policy\" content=\""+rule+"\">", 1)
	text = strings.Replace(text, "<body>", "<body>\n<script type=\"application/json\" id=\"data\">"+string(raw)+"</script>", 1)
	_, err = io.WriteString(w, text)
	return err
}

func hashOf(b []byte) string {
	s := sha256.Sum256(b)
	return "'sha256-" + base64.StdEncoding.EncodeToString(s[:]) + "'"
}
