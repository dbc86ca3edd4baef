package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/recipe"
)

// diffSetting is what two specs say about one thing besides their layers. A spec that says
// nothing about it has "".
type diffSetting struct {
	Name string `json:"name"`
	A    string `json:"a,omitempty"`
	B    string `json:"b,omitempty"`
}

// changedSettings lists the settings that differ, and with all also the others. Those that
// only the second spec has stand behind the setting that they follow there.
func (d *diff) changedSettings(all bool) []diffSetting {
	var list []diffSetting
	at := map[string]int{} // index in list
	for i, s := range d.settings[0] {
		at[s.Name] = i
		list = append(list, diffSetting{Name: s.Name, A: s.Value})
	}
	behind := make([][]diffSetting, len(list)+1) // what only the second spec has, behind a setting and before all
	last := len(list)
	for _, s := range d.settings[1] {
		if i, ok := at[s.Name]; ok {
			list[i].B, last = s.Value, i
		} else {
			behind[last] = append(behind[last], diffSetting{Name: s.Name, B: s.Value})
		}
	}
	merged := behind[len(list)]
	for i, s := range list {
		merged = append(append(merged, s), behind[i]...)
	}
	list = merged
	return slices.DeleteFunc(list, func(s diffSetting) bool { return s.A == s.B && !all })
}

// mostLabels is how many differing names of classes the table shows.
const mostLabels = 10

// writeSettings prints the settings that differ.
func (d *diff) writeSettings(w io.Writer, all bool) {
	list := d.changedSettings(all)
	if len(list) == 0 {
		return
	}
	t := newTable("statement", d.files[0], d.files[1])
	labels := 0
	for _, s := range list {
		if strings.HasPrefix(s.Name, labelPrefix) {
			if labels++; labels > mostLabels {
				continue
			}
		}
		t.Add(s.Name, s.A, s.B)
	}
	t.write(w)
	if labels > mostLabels {
		sayf(w, "and %d more labels; --json lists all", labels-mostLabels)
	}
	fmt.Fprintln(w)
}

const labelPrefix = "label "

// labelSettings are the names of the classes, in their order, and where they are from.
func labelSettings(l *recipe.Labels) []dsl.Setting {
	if l == nil {
		return nil
	}
	set := l.Set
	if set == "" {
		set = "a list"
	}
	list := []dsl.Setting{{Name: "labels", Value: set}}
	if len(l.Names) > 0 {
		list = append(list, dsl.Setting{Name: "labels, number", Value: strconv.Itoa(len(l.Names))})
	}
	for i, n := range l.Names {
		list = append(list, dsl.Setting{Name: fmt.Sprint(labelPrefix, i), Value: n})
	}
	return list
}
