"""A QLinearMatMul with a scale for each column, and what ONNX Runtime computes: python qlinearmatmul_columns.py"""
import numpy as np, onnx, onnxruntime as ort
from onnx import helper as h, numpy_helper as nh, TensorProto as T
r=np.random.default_rng(1)
w=r.integers(-60,60,(3,4)).astype(np.int8); s=np.array([.01,.5,.02,.003],np.float32)
c=[('sx',np.float32(1/16)),('zx',np.uint8(128)),('w',w),('sw',s),('zw',np.zeros(4,np.int8)),('sy',np.float32(1/8)),('zy',np.uint8(100))]
m=h.make_model(h.make_graph([h.make_node('QuantizeLinear',['x','sx','zx'],['q']),h.make_node('QLinearMatMul',['q','sx','zx','w','sw','zw','sy','zy'],['p'],name='head'),h.make_node('DequantizeLinear',['p','sy','zy'],['y'])],'columns',[h.make_tensor_value_info('x',T.FLOAT,[2,3])],[h.make_tensor_value_info('y',T.FLOAT,[2,4])],[nh.from_array(np.array(v),n) for n,v in c]),opset_imports=[h.make_opsetid('',17)],ir_version=8)
onnx.save(m,'qlinearmatmul_columns.onnx')
x=np.array([[.5,-1.25,2],[3,.0625,-.75]],np.float32)
print(ort.InferenceSession('qlinearmatmul_columns.onnx').run(None,{'x':x})[0].tolist())
