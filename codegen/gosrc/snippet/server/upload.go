// This file reads what a request asks for besides one picture: how many classes, and several
// pictures in a form.

package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// maxFormFiles is the largest number of pictures in a form.
const maxFormFiles = 64

// howMany returns how many classes the query of a request asks for, 0 for the default.
func (s *server) howMany(r *http.Request) (int, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, fmt.Errorf("the query cannot be read: %w", err)
	}
	k := 0
	for name, values := range query {
		if name != "k" || len(values) != 1 {
			return 0, fmt.Errorf("unknown parameter %.40q (want at most k=N, once)", name)
		}
		if k, err = s.parseK(values[0]); err != nil {
			return 0, err
		}
	}
	return k, nil
}

// parseK parses the number of classes that a client wants.
func (s *server) parseK(text string) (int, error) {
	k, err := strconv.Atoi(text)
	if err != nil || k < 1 || k > s.classes {
		return 0, fmt.Errorf("k is %.40q (want a number from 1 to %d)", text, s.classes)
	}
	return k, nil
}

// boundaryOf returns the boundary of the parts of a body that is a form with files, or "" for
// every other body.
func boundaryOf(r *http.Request) (string, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return "", nil // the body is a picture, whatever it is called
	}
	if err == nil && params["boundary"] == "" {
		err = errors.New("it has no boundary")
	}
	if err != nil {
		return "", fmt.Errorf("the Content-Type cannot be read: %w", err)
	}
	return params["boundary"], nil
}

// formFile is a picture in a form.
type formFile struct {
	name string
	data []byte
}

// formAnswer is the answer for a picture in a form: classes, or the reason why there are none.
type formAnswer struct {
	Picture string `json:"picture"`
	Top     any    `json:"top,omitempty"`
	Error   string `json:"error,omitempty"`
}

// readForm returns the files of a form and the number of classes in its field k, 0 without one.
func (s *server) readForm(body []byte, boundary string) (files []formFile, k int, err error) {
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, formError(err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, 0, formError(err)
		}
		switch {
		case part.FileName() != "" && len(files) == maxFormFiles:
			return nil, 0, fmt.Errorf("the form has more than %d files", maxFormFiles)
		case part.FileName() != "":
			files = append(files, formFile{part.FileName(), data})
		case part.FormName() != "k":
			return nil, 0, fmt.Errorf("the field %.40q of the form is no file (want files, and at most the field k)", part.FormName())
		default:
			if k > 0 {
				return nil, 0, errors.New("the form has more than one field k")
			}
			if k, err = s.parseK(string(data)); err != nil {
				return nil, 0, err
			}
		}
	}
	if len(files) == 0 {
		return nil, 0, errors.New("the form has no files")
	}
	return files, k, nil
}

// formError says why a form cannot be read. What Go quotes of the form may be as long as the form.
func formError(err error) error {
	if strings.HasSuffix(err.Error(), "NextPart: EOF") {
		return errors.New("the form cannot be read: it ends before the boundary that its Content-Type names")
	}
	return fmt.Errorf("the form cannot be read: %.200s", err)
}

// classifyForm returns the answer for each picture in a form, which are computed at the same
// time. A picture that cannot be read has its reason in its answer; an error says that the
// server could not do what was asked.
func (s *server) classifyForm(ctx context.Context, body []byte, boundary string, k int) ([]formAnswer, error) {
	copies := int64(len(body)) // the files are copied from the body
	if copies > s.bodies.total/2 {
		return nil, errLarge
	}
	if copies > freeBody {
		if !s.bodies.try(copies) {
			return nil, errFull
		}
		defer s.bodies.give(copies)
	}
	files, field, err := s.readForm(body, boundary)
	if err != nil {
		return nil, err
	}
	switch {
	case k > 0 && field > 0 && k != field:
		return nil, fmt.Errorf("the query asks for k=%d and the form for k=%d (want one of them)", k, field)
	case field > 0:
		k = field
	}
	list := make([]formAnswer, len(files))
	errs := make([]error, len(files))
	var all sync.WaitGroup
	for i, f := range files {
		all.Add(1)
		go func() {
			defer all.Done()
			scores, err := s.scores(ctx, f.data)
			if err != nil && codeOf(err) < http.StatusInternalServerError {
				s.counters.badPicture()
			}
			list[i].Picture = f.name
			if err == nil {
				list[i].Top = s.answer(scores, k)
				return
			}
			list[i].Error, errs[i] = err.Error(), err
		}()
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && codeOf(err) >= http.StatusInternalServerError {
			return nil, err
		}
	}
	return list, nil
}
