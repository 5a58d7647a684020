"""The copy and prices of the shop's catalogue."""

# id | parent | zh | en
CATEGORIES = """
lifestyle||品牌生活|Lifestyle
drinkware|lifestyle|杯壶|Drinkware
apparel|lifestyle|服饰|Apparel
bags|lifestyle|箱包|Bags
kids|lifestyle|亲子|For children
models|lifestyle|车模|Model cars
accessories||车品配件|Car accessories
interior|accessories|内饰用品|Interior
exterior|accessories|外饰用品|Exterior
charging|accessories|充电|Charging
service||服务|Services
features||功能订阅|Features
vouchers||卡券|Vouchers
"""

# id | category | zh | en | zh copy | en copy | yuan | stock | points, or nothing
PHYSICAL = """
P1001|drinkware|星曜陶瓷咖啡杯|Aster ceramic cup|350 毫升，哑光釉面。|350 ml with a matte glaze.|69|420|690
P1002|drinkware|星曜随行保温杯|Aster travel mug|480 毫升，单手开盖。|480 ml, opens with one hand.|129|310|1290
P1003|drinkware|维拉玻璃水杯|Vela glass tumbler|双层玻璃，隔热不烫手。|Double glass that stays cool to hold.|59|260|590
P1004|drinkware|手冲咖啡套装|Pour-over set|滤杯、分享壶与滤纸。|Dripper, server and filters.|239|90|
P1005|drinkware|车载茶具|Travel tea set|一壶两杯，收纳包随附。|One pot, two cups, one pouch.|199|75|
P1101|apparel|星曜重磅 T 恤|Aster heavyweight tee|260 克纯棉。|260 gsm cotton.|159|500|
P1102|apparel|赛道系列夹克|Track jacket|防风面料，反光饰条。|Windproof, with reflective piping.|599|120|
P1103|apparel|维拉棒球帽|Vela cap|可调节帽围。|Adjustable.|89|340|890
P1104|apparel|羊毛围巾|Wool scarf|细支羊毛，双面配色。|Fine wool in two colours.|269|80|
P1105|apparel|驾驶手套|Driving gloves|小羊皮，触屏可用。|Lambskin, works on screens.|329|60|
P1106|apparel|防晒外套|Sun jacket|UPF50+，轻至 120 克。|UPF 50+, only 120 g.|299|150|
P1201|bags|城市双肩包|City backpack|18 升，独立电脑仓。|18 litres with a laptop sleeve.|399|140|
P1202|bags|二十寸登机箱|Cabin case, 20 inch|静音万向轮。|Quiet wheels.|899|45|
P1203|bags|后备厢收纳箱|Boot box|可折叠，承重 30 千克。|Folds flat, carries 30 kg.|149|220|
P1204|bags|洗漱包|Wash bag|防泼水，干湿分离。|Splash-proof, wet and dry apart.|99|180|990
P1301|kids|儿童电动车 A5|Ride-on A5|1:4 比例，限速 5 公里。|Quarter scale, 5 km/h at most.|1999|18|
P1302|kids|积木 A7|A7 building blocks|1024 粒，可开合尾门。|1,024 bricks, tailgate opens.|349|96|
P1303|kids|毛绒小维|Vee plush|维拉吉祥物，30 厘米。|The Vela mascot, 30 cm.|119|400|1190
P1304|kids|儿童安全座椅|Child seat|i-Size 认证，0 至 7 岁。|i-Size, birth to seven years.|2680|32|
P1401|models|合金车模 A5 1:18|A5 diecast 1:18|四门可开。|All doors open.|499|85|
P1402|models|合金车模 E9 1:18|E9 diecast 1:18|限量编号。|Numbered.|699|0|
P1403|models|合金车模 V3 1:43|V3 diecast 1:43|六色可选。|In six colours.|99|260|990
P2001|interior|全包围脚垫 A5|Floor mats A5|TPE 环保材质。|In odourless TPE.|499|160|
P2002|interior|全包围脚垫 A7|Floor mats A7|TPE 环保材质，三排可选。|In odourless TPE, three rows on request.|599|130|
P2003|interior|羊毛脚垫 E9|Wool mats E9|新西兰羊毛，长毛工艺。|Long-pile New Zealand wool.|2280|28|
P2004|interior|腰靠头枕套装|Lumbar and head cushions|慢回弹记忆棉。|Slow-rebound foam.|299|190|
P2005|interior|车载香氛补充装|Fragrance refill|雪松、海盐与白茶。|Cedar, sea salt, white tea.|168|330|1680
P2006|interior|天幕遮阳帘|Roof sun shade|纳米银涂层，折叠收纳。|Nano-silver coating, folds away.|259|140|
P2007|interior|中控屏钢化膜|Display glass film|防眩光，零气泡。|Anti-glare, no bubbles.|129|270|
P2008|interior|磁吸手机支架|Magnetic phone mount|支持 15 瓦充电。|Charges at 15 W.|199|240|
P2101|exterior|车衣 A5|Car cover A5|防雨防尘，带反光条。|Rain and dust, with reflectors.|429|50|
P2102|exterior|挡泥板套装|Mud flaps|四片装，无损安装。|Set of four, no drilling.|159|110|
P2103|exterior|车顶行李箱 A7|Roof box A7|380 升，双侧开启。|380 litres, opens from both sides.|2980|14|
P2104|exterior|轮毂盖套装|Wheel caps|四枚装，磁悬浮。|Set of four, self-levelling.|399|66|
P2105|exterior|露营天幕帐篷|Tailgate tent|与尾门无缝衔接。|Closes onto the tailgate.|1299|37|
P2201|charging|便携充电枪收纳包|Charger bag|防水内衬。|Lined against water.|139|150|
P2202|charging|交流放电枪|V2L adapter|最大 3.3 千瓦。|Up to 3.3 kW.|699|88|
P2203|charging|7 千瓦家用充电桩|Home charger 7 kW|含 30 米内基础安装。|With installation within 30 metres.|3800|40|
P2204|charging|充电桩防护罩|Charger cover|304 不锈钢。|In stainless steel.|269|70|
"""

# id | zh | en | zh copy | en copy | yuan | op code
SERVICE = """
S3001|首次保养|First service|全车 36 项检查。|36 checks.|0|1000
S3002|年度保养套餐|Annual service package|含空调滤芯与制动液检测。|With cabin filter and brake fluid check.|499|1010
S3003|空调滤芯更换|Cabin filter change|CN95 级滤芯，含工时。|CN95 filter, labour included.|258|1020
S3004|四轮定位|Wheel alignment|含底盘检查。|With a chassis check.|399|2000
S3005|上门取送车|Pickup and return|15 公里内，全程视频记录。|Within 15 km, filmed throughout.|99|
S3006|精致洗车|Detail wash|手洗外观与内饰除尘。|Hand wash and a dusted cabin.|129|
S3007|镀晶护理|Ceramic coating|九层镀晶，两年质保。|Nine layers, two-year warranty.|1980|
S3008|道路救援年卡|Roadside year card|百公里内免费拖车。|Towing within 100 km.|299|
"""

# id | zh | en | zh copy | en copy | yuan | hardware | software | days, or nothing for good | models, or nothing for all
FEATURE = """
F4001|前排座椅加热|Heated front seats|三档加热，三分钟升温。|Three levels, warm in three minutes.|980|H-SEAT-HEAT|
  3.1.0||
F4002|前排座椅加热（月）|Heated front seats, monthly|按月开通，随时取消。|By the month, cancel any time.|58|
  H-SEAT-HEAT|3.1.0|30|
F4003|后排座椅加热|Heated rear seats|后排两侧三档加热。|Outer rear seats, three levels.|780|H-SEAT-HEAT-REAR|3.1.0||
F4004|方向盘加热|Heated wheel|全圈加热，冬日必备。|Warm all the way round.|480|H-WHEEL-HEAT|3.0.0||
F4005|城市领航辅助（月）|City pilot, monthly|红绿灯与路口通行。|Handles lights and crossings.|680|H-ADAS-3|3.3.0|30|
F4006|高速领航辅助（年）|Highway pilot, yearly|自动变道与进出匝道。|Lane changes and ramps.|3680|H-ADAS-2|3.2.0|365|
F4007|哨兵模式|Sentry mode|异动提醒与录像。|Warns and records.|299|H-SENTRY|2.9.0||
F4008|沉浸声场|Immersive sound|为每个座位单独调校。|Tuned for every seat.|1280|H-AMP|3.3.0||
F4009|律动氛围灯|Rhythm lights|随音乐律动的 256 色灯效。|256 colours that follow the music.|198|H-AMBIENT|3.0.0||
F4010|高级车联网（年）|Premium connectivity, yearly|不限量音乐与视频流量。|Unlimited music and video.|498|H-TBOX5G|
  2.9.0|365|
F4011|加速提升包|Acceleration boost|零百加速缩短 0.4 秒。|0.4 seconds quicker to 100 km/h.|5800|H-TBOX5G|3.4.0||A5 A7
"""

# id | zh | en | zh copy | en copy | yuan | face value in yuan | stock | points, or nothing
VOUCHER = """
V5001|50 元商城券|Shop voucher, 50 yuan|全场通用，满 51 元可用。|For anything from 51 yuan.|45|50|800|4500
V5002|100 元充电卡|Charging card, 100 yuan|全国合作充电站可用。|At partner stations nationwide.|95|100|600|
V5003|500 元充电卡|Charging card, 500 yuan|全国合作充电站可用。|At partner stations nationwide.|468|500|250|
V5004|洗车十次卡|Ten washes|一年内有效。|Valid for a year.|380|500|120|
V5005|保养抵扣券 300 元|Service voucher, 300 yuan|服务中心通用。|At any service centre.|270|300|200|
V5006|咖啡券|Coffee voucher|门店任意饮品一杯。|Any drink in a store.|25|32|999|2500
"""
