package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WritePage writes the page as one file that needs no server. It holds the network as it is
// drawn in a view, and the runs.
func WritePage(w io.Writer, src Source, v View) error {
	data := struct {
		Network *Network `json:"network"`
		Runs    []Run    `json:"runs"`
	}{}
	var err error
	if src.Text != nil {
		c := &cache{src: src}
		if data.Network, err = c.network(v); err != nil {
			return err
		}
	}
	if src.Runs != nil {
		if data.Runs, err = src.Runs(); err != nil {
			return err
		}
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
	for _, name := range []string{"uPlot.min.css", "draw.css", "style.css"} {
		b, err := content(name)
		if err != nil {
			return err
		}
		styles = append(styles, hashOf(b))
		text = strings.Replace(text, `<link rel="stylesheet" href="`+name+`">`, "<style>"+string(b)+"</style>", 1)
	}
	for _, name := range []string{"uPlot.iife.min.js", "app.js"} {
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
	rule := "default-src 'none'; script-src " + strings.Join(scripts, " ") + "; style-src " + strings.Join(styles, " ") + "; base-uri 'none'; form-action 'none'"
	text = strings.Replace(text, "<head>", "<head>\n<meta http-equiv=\"Content-Security-Policy\" content=\""+rule+"\">", 1)
	text = strings.Replace(text, "<body>", "<body>\n<script type=\"application/json\" id=\"data\">"+string(raw)+"</script>", 1)
	_, err = io.WriteString(w, text)
	return err
}

func hashOf(b []byte) string {
	s := sha256.Sum256(b)
	return "'sha256-" + base64.StdEncoding.EncodeToString(s[:]) + "'"
}
