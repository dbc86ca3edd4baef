package gosrc

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"text/template"
)

// deployMemory is the size, in MiB, of the memory for requests of a server in a container.
const deployMemory = 256

// DeployMemory returns deployMemory.
func (d *description) DeployMemory() int { return deployMemory }

// PodMemory returns the memory, in MiB, that a container with the server needs: the program with
// its weights, the weights in the order of the kernels, the sessions and batches, the requests,
// and what the Go runtime and 1024 connections take.
func (d *description) PodMemory() int {
	const rest, unit, threads = 192 << 20, 64 << 20, 2
	sessions := 1
	if d.Plan.Solo {
		sessions = threads
	}
	stored := 0
	for _, v := range d.weights.stored {
		stored += 4 * v.Type.Shape.Size()
	}
	total := 2*stored + 4*d.Plan.Packed + sessions*(d.SessionBytes()+4*d.Plan.Batch*(d.Input+d.Output)) + deployMemory<<20 + rest
	return (total + unit - 1) / unit * unit >> 20
}

// ImageName returns the name of the container image and of the objects in Kubernetes. It is a
// DNS label: lower-case letters, digits and hyphens, at most 63, with a letter at the start.
func (d *description) ImageName() string {
	var b strings.Builder
	for _, r := range strings.ToLower(d.Package) {
		if r < 'a' || r > 'z' {
			if r < '0' || r > '9' {
				r = '-'
			}
		}
		b.WriteRune(r)
	}
	name := strings.Trim(b.String(), "-")
	if name == "" || name[0] < 'a' {
		name = "net-" + name
	}
	const most = 63
	return strings.Trim(name[:min(len(name), most)], "-")
}

// Folder returns the folder of the command, relative to that of go.mod.
func (d *description) Folder() string { return path.Join(d.PackageFolder, "cmd", d.Package) }

// FileHeader returns the first line of generated files in which # begins a comment.
func (d *description) FileHeader() string {
	return "#" + strings.TrimPrefix(Header(d.Version, d.Command), "//")
}

// commandTexts returns the files of the command that are not Go: how to use it and, with
// Options.Deploy, how to run it in containers.
func commandTexts(d *description) ([]File, error) {
	names := map[string]string{"readme": "README.md", "dockerfile": "Dockerfile", "dockerignore": "Dockerfile.dockerignore", "kubernetes": "kubernetes.yaml"}
	list := []string{"readme"}
	if d.Deploy {
		list = append(list, "dockerfile", "dockerignore", "kubernetes")
	}
	var out []File
	for _, name := range list {
		t, err := template.New("").Funcs(functions).ParseFS(templates, "templates/"+name+".tmpl")
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name+".tmpl", d); err != nil {
			return nil, fmt.Errorf("generating %s: %w", names[name], err)
		}
		text := bytes.TrimRight(b.Bytes(), "\n")
		out = append(out, File{"cmd/" + d.Package + "/" + names[name], append(text, '\n')})
	}
	return out, nil
}
