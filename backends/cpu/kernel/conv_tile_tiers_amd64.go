package kernel

// The microkernels by number of pixels.
var (
	tiles512o1       = [15]func(*byte){nil, tile512p1o1, tile512p2o1, tile512p3o1, tile512p4o1, tile512p5o1, tile512p6o1, tile512p7o1, tile512p8o1, tile512p9o1, tile512p10o1, tile512p11o1, tile512p12o1, tile512p13o1, tile512p14o1}
	tiles512o2       = [15]func(*byte){nil, tile512p1o2, tile512p2o2, tile512p3o2, tile512p4o2, tile512p5o2, tile512p6o2, tile512p7o2, tile512p8o2, tile512p9o2, tile512p10o2, tile512p11o2, tile512p12o2, tile512p13o2, tile512p14o2}
	tiles512o1planar = [15]func(*byte){nil, tile512p1o1planar, tile512p2o1planar, tile512p3o1planar, tile512p4o1planar, tile512p5o1planar, tile512p6o1planar, tile512p7o1planar, tile512p8o1planar, tile512p9o1planar, tile512p10o1planar, tile512p11o1planar, tile512p12o1planar, tile512p13o1planar, tile512p14o1planar}
	tiles512o2planar = [15]func(*byte){nil, tile512p1o2planar, tile512p2o2planar, tile512p3o2planar, tile512p4o2planar, tile512p5o2planar, tile512p6o2planar, tile512p7o2planar, tile512p8o2planar, tile512p9o2planar, tile512p10o2planar, tile512p11o2planar, tile512p12o2planar, tile512p13o2planar, tile512p14o2planar}
	tiles512o2far    = [15]func(*byte){nil, tile512p1o2far, tile512p2o2far, tile512p3o2far, tile512p4o2far, tile512p5o2far, tile512p6o2far, tile512p7o2far, tile512p8o2far, tile512p9o2far, tile512p10o2far, tile512p11o2far, tile512p12o2far, tile512p13o2far, tile512p14o2far}
	tiles256far      = [15]func(*byte){nil, tile256p1far, tile256p2far, tile256p3far, tile256p4far, tile256p5far, tile256p6far}
	tiles256         = [15]func(*byte){nil, tile256p1, tile256p2, tile256p3, tile256p4, tile256p5, tile256p6}
	tiles256planar   = [15]func(*byte){nil, tile256p1planar, tile256p2planar, tile256p3planar, tile256p4planar, tile256p5planar, tile256p6planar}
	tiles512o2ahead  = [15]func(*byte){nil, tile512p1o2ahead, tile512p2o2ahead, tile512p3o2ahead, tile512p4o2ahead, tile512p5o2ahead, tile512p6o2ahead, tile512p7o2ahead, tile512p8o2ahead, tile512p9o2ahead, tile512p10o2ahead, tile512p11o2ahead, tile512p12o2ahead, tile512p13o2ahead, tile512p14o2ahead}
	tiles256ahead    = [15]func(*byte){nil, tile256p1ahead, tile256p2ahead, tile256p3ahead, tile256p4ahead, tile256p5ahead, tile256p6ahead}
)

// farTileFuncs returns the microkernels for the first tile that reads weights which
// no tile before has brought near.
func farTileFuncs(isa ISA, blocks int, planar bool) *[15]func(*byte) {
	switch {
	case planar || isa == AVX512 && blocks == 1:
		return tileFuncs(isa, blocks, planar)
	case isa == AVX2:
		return &tiles256far
	}
	return &tiles512o2far
}

// aheadTileFuncs returns the microkernels that ask for weights which tiles to come will
// read, where there are any.
func aheadTileFuncs(isa ISA, blocks int, planar bool) *[15]func(*byte) {
	switch {
	case planar || isa == AVX512 && blocks == 1:
		return tileFuncs(isa, blocks, planar)
	case isa == AVX2:
		return &tiles256ahead
	}
	return &tiles512o2ahead
}

// tileFuncs returns the microkernels of a tier, blocks output blocks at once, by
// number of pixels.
func tileFuncs(isa ISA, blocks int, planar bool) *[15]func(*byte) {
	switch {
	case isa == AVX2 && planar:
		return &tiles256planar
	case isa == AVX2:
		return &tiles256
	case blocks == 1 && planar:
		return &tiles512o1planar
	case blocks == 1:
		return &tiles512o1
	case planar:
		return &tiles512o2planar
	}
	return &tiles512o2
}
