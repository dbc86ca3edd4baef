package draw

import "math"

// segment is a piece of an edge: a line, or a cubic curve with its two control points.
type segment struct {
	cubic bool
	a, b  point
	to    point
}

// corner is the radius of the corners of edges.
const corner = 6.0

// segments turns points into lines with round corners, or into a curve.
func segments(l polyline, radius float64) []segment {
	ps := l.points
	if l.curve {
		var out []segment
		for i := 1; i < len(ps); i++ {
			p, q := ps[i-1], ps[i]
			var a, b point
			if math.Abs(q.y-p.y) >= math.Abs(q.x-p.x) || !sideways(ps) {
				a, b = point{p.x, (p.y + q.y) / 2}, point{q.x, (p.y + q.y) / 2}
			} else {
				a, b = point{(p.x + q.x) / 2, p.y}, point{(p.x + q.x) / 2, q.y}
			}
			out = append(out, segment{cubic: true, a: a, b: b, to: q})
		}
		return out
	}
	var out []segment
	at := ps[0]
	for i := 1; i < len(ps); i++ {
		p := ps[i]
		if i == len(ps)-1 {
			out = append(out, segment{to: p})
			break
		}
		r := min(radius, distance(at, p)/2, distance(p, ps[i+1])/2)
		in, leave := toward(p, at, r), toward(p, ps[i+1], r)
		out = append(out, segment{to: in},
			segment{cubic: true, a: toward(in, p, r*0.55), b: toward(leave, p, r*0.55), to: leave})
		at = leave
	}
	return out
}

// sideways says whether an edge as a whole leads more to the right than down.
func sideways(ps []point) bool {
	a, b := ps[0], ps[len(ps)-1]
	return math.Abs(b.x-a.x) > math.Abs(b.y-a.y)
}

func distance(a, b point) float64 { return math.Hypot(b.x-a.x, b.y-a.y) }

// toward returns the point at a distance from a in the direction of b.
func toward(a, b point, d float64) point {
	n := distance(a, b)
	if n == 0 {
		return a
	}
	return point{a.x + (b.x-a.x)/n*d, a.y + (b.y-a.y)/n*d}
}

// tip returns the three corners of an arrow's tip.
func tip(l polyline) [3]point {
	end := l.points[len(l.points)-1]
	from := l.points[len(l.points)-2]
	if l.curve {
		s := segments(l, corner)
		from = s[len(s)-1].b
	}
	n := distance(from, end)
	if n == 0 {
		n = 1
	}
	dx, dy := (end.x-from.x)/n, (end.y-from.y)/n
	const long, wide = 7.0, 3.2
	back := point{end.x - dx*long, end.y - dy*long}
	return [3]point{end, {back.x - dy*wide, back.y + dx*wide}, {back.x + dy*wide, back.y - dx*wide}}
}

// flatten turns lines with round corners, or a curve, into short lines.
func flatten(l polyline, radius float64) []point {
	at := l.points[0]
	out := []point{at}
	for _, s := range segments(l, radius) {
		if !s.cubic {
			out = append(out, s.to)
			at = s.to
			continue
		}
		const steps = 16
		for i := 1; i <= steps; i++ {
			t := float64(i) / steps
			u := 1 - t
			a, b, c, d := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
			out = append(out, point{a*at.x + b*s.a.x + c*s.b.x + d*s.to.x, a*at.y + b*s.a.y + c*s.b.y + d*s.to.y})
		}
		at = s.to
	}
	return out
}

// dashes cuts a line into pieces of a length with gaps between them.
func dashes(ps []point, on, off float64) [][]point {
	var out [][]point
	var piece []point
	left, drawn := on, true
	piece = append(piece, ps[0])
	at := ps[0]
	for i := 1; i < len(ps); {
		d := distance(at, ps[i])
		if d <= left {
			left -= d
			at = ps[i]
			i++
			if drawn {
				piece = append(piece, at)
			}
			continue
		}
		at = toward(at, ps[i], left)
		if drawn {
			out = append(out, append(piece, at))
			piece, left = nil, off
		} else {
			piece, left = []point{at}, on
		}
		drawn = !drawn
	}
	if drawn && len(piece) > 1 {
		out = append(out, piece)
	}
	return out
}
