import csv
import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    from hydra.core.hydra_config import HydraConfig
    from pathlib import Path

    out = Path(HydraConfig.get().runtime.output_dir)
    with open(out / "metrics.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["step", "loss", "val/acc"])
        for step in range(8):
            if step == 3 and cfg.optim.lr > 0.9:
                raise RuntimeError("exploded")
            val = 1 - 1 / (step + 2) if step % 4 == 3 else ""
            rows.writerow([step, cfg.optim.lr / (step + 1), val])


main()
