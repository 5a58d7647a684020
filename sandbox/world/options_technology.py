"""Options of technology: audio, displays, assistance, charging, drive, chassis, connection and security."""

# code | models (5: A5, 7: A7, 9: E9, 3: V3) | yuan | zh | en | zh description | en description | hardware
AUDIO = """
A1S|573|0|六扬声器音响|Six speakers|清晰人声，均衡声场。|Clear voices, an even stage.
A2P|573|3500|十二扬声器音响|Twelve speakers|含独立低音炮。|With its own subwoofer.|H-AMP
A3X|579|9800|二十一扬声器环绕声|21-speaker surround|7.1.4 声道，头枕音响。|7.1.4 channels with headrest speakers.|H-AMP
A4R|9|26000|二十九扬声器大师音响|29-speaker master audio|由录音师调校。|Tuned by recording engineers.|H-AMP
A5K|5793|800|车载麦克风套件|Karaoke microphones|一对无线麦克风。|A wireless pair.
"""

DISPLAY = """
M1S|53|0|12.8 英寸中控屏|12.8-inch display|2K 分辨率。|In 2K.|H-HU8
M2L|579|3000|15.6 英寸中控屏|15.6-inch display|2.5K 分辨率，可旋转。|2.5K, turns upright.|H-HU12
M3H|579|5600|抬头显示|Head-up display|等效 60 英寸，雪地模式。|Equal to 60 inches, with a snow mode.|H-HUD
M4P|79|4800|副驾娱乐屏|Passenger display|防窥设计。|Cannot be seen by the driver.|H-PASS-SCREEN
M5R|9|8800|后排 17.3 英寸吸顶屏|Rear 17.3-inch display|3K 分辨率，可折叠。|Folding, in 3K.|H-REAR-SCREEN
M6M|579|1800|流媒体后视镜|Camera mirror|雨夜依旧清晰。|Clear on rainy nights.|H-CAM-MIRROR
"""

ASSIST = """
P1B|5793|0|基础驾驶辅助|Basic assistance|自适应巡航与车道保持。|Adaptive cruise and lane keeping.|H-ADAS-1
P2H|579|12000|高速领航辅助|Highway pilot|高速与城快自动变道。|Changes lanes on highways.|H-ADAS-2
P3C|579|26000|城市领航辅助|City pilot|红绿灯与路口通行。|Handles lights and crossings.|H-ADAS-3
"""

SENSING = """
P4L|579|8000|激光雷达|Lidar|250 米探测距离。|Sees 250 metres ahead.|H-LIDAR
P5A|573|3200|自动泊车|Park assist|垂直、侧方与斜列车位。|Any kind of bay.|H-PARK
P6V|79|4600|代客泊车|Valet parking|停车场内自主寻位。|Finds a bay by itself.|H-PARK
P7N|79|6800|夜视系统|Night vision|识别 150 米内行人。|Sees people 150 metres away.|H-NIGHT
P8S|5793|1500|360 度影像|360-degree view|透明底盘。|With a see-through chassis.|H-360
"""

CHARGING = """
B1C|5793|0|便携充电枪|Portable charger|2.2 千瓦，附收纳包。|2.2 kW, with a bag.
B2H|5793|3800|7 千瓦家充桩|7 kW home charger|含 30 米内安装。|Fitted within 30 metres.
B3W|579|6800|11 千瓦家充桩|11 kW home charger|三相电，含安装。|Three-phase, fitted.
B4V|579|9600|双向充电桩|Bidirectional charger|可向家庭供电。|Powers the house as well.|H-V2H
"""

DRIVE = """
Q1R|5793|0|后驱单电机|Rear-wheel drive|高效永磁电机。|An efficient permanent-magnet motor.
Q2A|579|25000|双电机四驱|Dual-motor all-wheel drive|零百加速提升 2.1 秒。|2.1 seconds quicker to 100 km/h.
Q3P|57|52000|性能四驱|Performance drive|碳化硅电驱，强化冷却。|Silicon carbide with stronger cooling.
"""

BATTERY = """
J1S|53|0|标准续航电池|Standard battery|磷酸铁锂，循环寿命长。|Lithium iron phosphate, long-lived.
J2L|579|18000|长续航电池|Long-range battery|三元锂，800 伏平台。|Nickel-based, 800 volts.
J3U|79|42000|超长续航电池|Ultra-range battery|150 度半固态。|150 kWh, semi-solid.
J4C|3|12000|城市长续航电池|City long-range battery|续航增加 110 公里。|Adds 110 km.
"""

CHASSIS = """
H1S|573|0|标准悬架|Steel springs|前麦弗逊后多连杆。|Struts in front, multi-link behind.
H2D|57|6000|自适应减振|Adaptive dampers|每秒 500 次调节。|Adjust 500 times a second.
H3A|79|16000|双腔空气悬架|Two-chamber air springs|高度调节 100 毫米。|100 mm of travel.|H-AIR
H4R|79|9800|后轮转向|Rear steering|转弯半径缩小至 5 米。|Turns within 5 metres.|H-RWS
H5B|57|12800|运动制动|Sport brakes|前六活塞卡钳。|Six pistons in front.
"""

CONNECT = """
N1B|5793|0|基础车联网|Basic connectivity|终身基础流量。|Basic data for life.|H-TBOX
N2P|579|1800|高级车联网|Premium connectivity|5G 双卡双待。|Dual-SIM 5G.|H-TBOX5G
N3S|9|6800|卫星通信|Satellite calls|无网络区域可通话。|Calls where there is no network.|H-SAT
"""

SECURITY = """
Z1D|5793|900|行车记录仪|Dash camera|前后双录。|Front and rear.|H-DASHCAM
Z2S|5793|1200|哨兵模式|Sentry mode|异动提醒与录像。|Warns and records.|H-SENTRY
Z3A|79|2400|后排安全气囊|Rear airbags|后排侧气囊。|Side bags in the rear.
Z4F|5793|300|灭火器与急救包|Fire and first-aid kit|原厂固定支架。|On a factory bracket.
"""
