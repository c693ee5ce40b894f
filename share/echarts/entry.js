// The parts of ECharts that the report draws with. scripts/bundle_echarts makes echarts.min.js of it.
import { init, use } from "echarts/core";
import { BarChart, BoxplotChart, GraphChart, HeatmapChart, LineChart, ParallelChart, ScatterChart } from "echarts/charts";
import { DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent, MarkPointComponent, ParallelComponent, TooltipComponent,
  VisualMapComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, BoxplotChart, GraphChart, HeatmapChart, LineChart, ParallelChart, ScatterChart, DataZoomComponent, GridComponent, LegendComponent,
  MarkLineComponent, MarkPointComponent, ParallelComponent, TooltipComponent, VisualMapComponent, SVGRenderer]);

export { init };
