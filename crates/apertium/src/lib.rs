//! Translation by pools of long-lived Apertium pipelines.
