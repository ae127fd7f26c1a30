"""Looking into a model: what it computes, without computing it. `walk.walk` lists its layers."""
