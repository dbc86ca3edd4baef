package npy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxRank is the largest number of dimensions of a NumPy array.
const maxRank = 64

// parseHeader parses a header, which is a Python dictionary with three keys:
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//
// The caller puts "the header of the NumPy file" before its errors.
func parseHeader(text string) (*Array, error) {
	p := &parser{rest: text}
	a := &Array{}
	if !p.take("{") {
		return nil, errors.New("does not begin with {")
	}
	seen := map[string]bool{}
	for !p.take("}") {
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, fmt.Errorf("has the key %q twice", key)
		}
		seen[key] = true
		if !p.take(":") {
			return nil, fmt.Errorf("has no : after the key %q", key)
		}
		switch key {
		case "descr":
			if p.peek('[') {
				return nil, errors.New("describes records (want an array of numbers)")
			}
			a.Type, err = p.str()
		case "fortran_order":
			a.Fortran, err = p.boolean()
		case "shape":
			a.Shape, err = p.tuple()
		default:
			err = fmt.Errorf("has the unknown key %.40q", key)
		}
		if err != nil {
			return nil, err
		}
		if !p.take(",") && !p.peek('}') {
			return nil, fmt.Errorf("has neither , nor } after the value of %q", key)
		}
	}
	if p.space(); p.rest != "" {
		return nil, errors.New("goes on after }")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return nil, fmt.Errorf("lacks the key %q", key)
		}
	}
	return a, nil
}

type parser struct{ rest string }

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take skips blanks and then a token, if it comes next. It reports whether it did.
func (p *parser) take(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

func (p *parser) peek(c byte) bool {
	p.space()
	return p.rest != "" && p.rest[0] == c
}

// str parses a string without escapes.
func (p *parser) str() (string, error) {
	for _, quote := range []string{"'", `"`} {
		if !p.take(quote) {
			continue
		}
		s, rest, ok := strings.Cut(p.rest, quote)
		if !ok || strings.ContainsAny(s, "\\\n") {
			return "", errors.New("has a string that does not end")
		}
		p.rest = rest
		return s, nil
	}
	return "", fmt.Errorf("has %.20q where a string belongs", p.rest)
}

func (p *parser) boolean() (bool, error) {
	if p.take("True") {
		return true, nil
	}
	if p.take("False") {
		return false, nil
	}
	return false, fmt.Errorf("has %.20q as fortran_order (want True or False)", p.rest)
}

// tuple parses a tuple of lengths: (), (3,) or (2, 3).
func (p *parser) tuple() ([]int, error) {
	if !p.take("(") {
		return nil, fmt.Errorf("has %.20q as shape (want a tuple)", p.rest)
	}
	shape := []int{}
	for !p.take(")") {
		p.space()
		digits := p.rest[:len(p.rest)-len(strings.TrimLeft(p.rest, "0123456789"))]
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("has a shape with %.20q where a length belongs", p.rest)
		}
		if len(shape) == maxRank {
			return nil, fmt.Errorf("has a shape of more than %d dimensions", maxRank)
		}
		shape = append(shape, int(n))
		p.rest = p.rest[len(digits):]
		p.take("L") // Python 2 writes lengths as 3L
		if !p.take(",") && !p.peek(')') {
			return nil, fmt.Errorf("has a shape with %.20q after a length", p.rest)
		}
	}
	return shape, nil
}
