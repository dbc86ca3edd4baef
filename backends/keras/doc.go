// Package keras reads what Keras 2 and 3 save: whole models (.keras, .h5) and weights
// (.weights.h5, .h5). It gives their arrays names, and makes ONNX models of whole models.
//
// A .keras file is a ZIP archive of config.json, the description of the layers, and
// model.weights.h5, the weights under the classes of the layers. A whole model in HDF5 has
// the description in the attribute model_config, and the weights under the names of the layers.
// Neither can run code here: a layer is known by its class, and Lambda layers are refused.
package keras
