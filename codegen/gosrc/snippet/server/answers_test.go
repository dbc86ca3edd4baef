package server

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
)

// TestPictureAnswers prints names that a terminal would obey, that CSV quotes, and errors.
func TestPictureAnswers(t *testing.T) {
	one := []answer{{7, "a\u202eb, \"c\"", 0.75}, {2, "", 0.25}}
	list := []pictureFile{{path: "x.png"}, {"gone.png", &fs.PathError{Op: "stat", Path: "gone.png", Err: fs.ErrNotExist}}, {"bad.png", errors.New("not a picture")}}
	for _, c := range []struct {
		csv, json bool
		list      []pictureFile
		most      int
		want      string
	}{
		{false, false, list[:1], 5, "x.png\n  0.750000     7  \"a\\u202eb, \\\"c\\\"\"\n  0.250000     2  \n"},
		{false, false, list, 1, "x.png     0.7500 \"a\\u202eb, \\\"c\\\"\"  0.2500 class 2\n"},
		{true, false, list, 1, "picture,rank,class,label,score,error\nx.png,1,7,\"a\u202eb, \"\"c\"\"\",0.75,\nx.png,2,2,,0.25,\ngone.png,,,,,file does not exist\nbad.png,,,,,not a picture\n"},
		{false, true, list, 5, `{"picture":"x.png","top":[{"class":7,"label":"a\u202eb, \"c\"","score":0.75},{"class":2,"score":0.25}]}` + "\n" +
			`{"picture":"gone.png","error":"file does not exist"}` + "\n" + `{"picture":"bad.png","error":"not a picture"}` + "\n"},
	} {
		var b bytes.Buffer
		a := newAnswers(&b, c.csv, c.json, c.list, false)
		if a.most() != c.most {
			t.Errorf("%d classes by default, want %d", a.most(), c.most)
		}
		for _, f := range c.list {
			var top []answer
			if f.err == nil {
				top = one
			}
			if err := a.write(f, top); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != c.want {
			t.Errorf("prints\n%s\nwant\n%s", b.String(), c.want)
		}
	}
}
