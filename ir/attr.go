package ir

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// HW is a pair of extents, height first: a kernel, a stride, a dilation.
// It prints as 3x3.
type HW [2]int

func (k HW) String() string { return strconv.Itoa(k[0]) + "x" + strconv.Itoa(k[1]) }

// Short returns 3 for 3x3, and 1x7 for 1x7.
func (k HW) Short() string {
	if k[0] == k[1] {
		return strconv.Itoa(k[0])
	}
	return k.String()
}

// MarshalText prints the pair as 3x3.
func (k HW) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads 3x3, or 3 for both.
func (k *HW) UnmarshalText(b []byte) error {
	h, w, two := strings.Cut(string(b), "x")
	if !two {
		w = h
	}
	var err error
	if k[0], err = strconv.Atoi(h); err == nil {
		k[1], err = strconv.Atoi(w)
	}
	if err != nil {
		return fmt.Errorf("%q is not a pair of extents such as 3x3", b)
	}
	return nil
}

// Pads are rows and columns added at the top, left, bottom and right.
// They print as 1 (all four), 1x2 (top and bottom, left and right) or 0,0,1,1.
type Pads [4]int

func (p Pads) String() string {
	t, l, b, r := p[0], p[1], p[2], p[3]
	switch {
	case t == b && l == r && t == l:
		return strconv.Itoa(t)
	case t == b && l == r:
		return fmt.Sprintf("%dx%d", t, l)
	}
	return fmt.Sprintf("%d,%d,%d,%d", t, l, b, r)
}

// Plus returns the sum of two paddings, side by side.
func (p Pads) Plus(q Pads) Pads {
	for i := range p {
		p[i] += q[i]
	}
	return p
}

// MarshalText prints the pads as String does.
func (p Pads) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads P, PHxPW or T,L,B,R.
func (p *Pads) UnmarshalText(b []byte) error {
	s := string(b)
	if strings.Contains(s, ",") {
		v, err := parseInts(s)
		if err != nil || len(v) != 4 {
			return fmt.Errorf("%q is not a padding: want P, PHxPW or top,left,bottom,right", b)
		}
		copy(p[:], v)
		return nil
	}
	var k HW
	if err := k.UnmarshalText(b); err != nil {
		return fmt.Errorf("%q is not a padding: want P, PHxPW or top,left,bottom,right", b)
	}
	*p = Pads{k[0], k[1], k[0], k[1]}
	return nil
}

// Dims is a shape as an attribute, in the text form of Shape.String: Nx14x14x1.
// It is a string because an op must be comparable and so cannot hold a slice.
type Dims string

// DimsOf returns the shape as an attribute.
func DimsOf(s Shape) Dims { return Dims(s.String()) }

// Shape returns the attribute's shape.
func (d Dims) Shape() (Shape, error) { return ParseShape(string(d)) }

// Ints is a list of integers as an attribute, such as axes or sizes: 0,2,3,1.
type Ints string

// IntsOf returns the list as an attribute.
func IntsOf(v ...int) Ints {
	var b strings.Builder
	for i, x := range v {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(x))
	}
	return Ints(b.String())
}

// List returns the integers, or an error if the text is not such a list.
func (l Ints) List() ([]int, error) { return parseInts(string(l)) }

// Has reports whether the list holds v.
func (l Ints) Has(v int) bool {
	x, err := l.List()
	return err == nil && slices.Contains(x, v)
}

func parseInts(s string) ([]int, error) {
	if s == "" {
		return nil, nil
	}
	var v []int
	for _, w := range strings.Split(s, ",") {
		x, err := strconv.Atoi(w)
		if err != nil {
			return nil, fmt.Errorf("%q is not a list of integers such as 0,2,3,1", s)
		}
		v = append(v, x)
	}
	return v, nil
}
