"""Pure numerical functions with their gradients. Images are NHWC, kernels HWIO."""
