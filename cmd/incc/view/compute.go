package view

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/incc-lang/incc/backends/cpu/data"
)

// evaluationTime is how long the evaluation of a run may take.
const evaluationTime = 10 * time.Minute

// details answers with the confusion matrix and the filters of a run.
func (s *Server) details(w http.ResponseWriter, r *http.Request) {
	i, ok := runOf(w, r)
	if !ok {
		return
	}
	if s.src.Details == nil {
		http.Error(w, "there are no runs", http.StatusNotFound)
		return
	}
	d, err := s.src.Details(i)
	s.json(w, d, err)
}

// mistakes evaluates a run.
func (s *Server) mistakes(w http.ResponseWriter, r *http.Request) {
	i, ok := runOf(w, r)
	if !ok {
		return
	}
	if s.src.Mistakes == nil {
		http.Error(w, "there are no runs", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), evaluationTime)
	defer cancel()
	m, err := s.src.Mistakes(ctx, i)
	s.json(w, m, err)
}

func runOf(w http.ResponseWriter, r *http.Request) (int, bool) {
	i, err := strconv.Atoi(r.URL.Query().Get("run"))
	if err != nil {
		http.Error(w, "want the number of a run: run=0", http.StatusBadRequest)
		return 0, false
	}
	return i, true
}

// shown returns the network that the page shows: that of the text as it is or, if this has
// errors, as it was.
func (c *cache) shown() (*model, error) {
	m, err := c.now()
	if err != nil {
		return nil, err
	}
	if m = c.drawable(m); m == nil {
		return nil, errors.New("the text has errors")
	}
	return m, nil
}

// computed returns the network to compute with. If there is none it answers why, and returns nil.
func (s *Server) computed(w http.ResponseWriter) *model {
	if s.src.Engine == nil || s.src.Text == nil {
		s.json(w, nil, errNoEngine)
		return nil
	}
	m, err := s.cache.shown()
	if err != nil {
		s.json(w, nil, err)
		return nil
	}
	return m
}

// plan answers with the schedule of the network: with POST, after a measurement.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	m := s.computed(w)
	if m == nil {
		return
	}
	p, err := s.src.Engine.Plan(m.graph, m.version, r.Method == http.MethodPost)
	s.json(w, p, err)
}

// times answers with the predicted time of the network after each pass.
func (s *Server) times(w http.ResponseWriter, _ *http.Request) {
	m := s.computed(w)
	if m == nil {
		return
	}
	stages, err := m.run()
	if err != nil {
		s.json(w, nil, err)
		return
	}
	s.json(w, s.src.Engine.StageTimes(stages), nil)
}

// pictureTime is how long the upload of a picture may take.
const pictureTime = time.Minute

// try classifies the picture in the body of a request.
func (s *Server) try(w http.ResponseWriter, r *http.Request) {
	if s.src.Engine == nil || s.src.Text == nil {
		s.json(w, nil, errNoEngine)
		return
	}
	q := r.URL.Query()
	k := 5
	if v := q.Get("top"); v != "" {
		var err error
		if k, err = strconv.Atoi(v); err != nil || k < 1 || k > MaxTop {
			http.Error(w, "top: want 1 to "+strconv.Itoa(MaxTop), http.StatusBadRequest)
			return
		}
	}
	// A test's recorder has no deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(pictureTime))
	picture, err := io.ReadAll(http.MaxBytesReader(w, r.Body, data.MaxPictureFile))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "the picture is larger than "+strconv.Itoa(data.MaxPictureFile>>20)+" MiB", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m, err := s.cache.shown()
	if err != nil {
		s.json(w, nil, err)
		return
	}
	a, err := s.src.Engine.Try(m.graph, m.version, picture, q.Get("at"), k)
	s.json(w, a, err)
}
