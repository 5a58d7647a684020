"""Options inside the car: interior colours, seats, steering wheel, decor, climate and comfort."""

# code | models (5: A5, 7: A7, 9: E9, 3: V3) | yuan | zh | en | zh description | en description | hardware
INTERIOR = """
I1B|5793|0|夜影黑内饰|Night Black interior|环保织物与超纤。|Recycled fabric with microfibre.
I2G|573|0|雾灰内饰|Mist Grey interior|浅灰织物，耐脏易洁。|Light grey fabric, easy to clean.
I3W|579|5000|燕麦白内饰|Oat White interior|半苯胺真皮，带防污涂层。|Semi-aniline leather with a stain guard.
I4T|579|5000|赤陶棕内饰|Terracotta interior|真皮座椅，撞色缝线。|Leather with contrast stitching.
I5R|57|6000|赛道红内饰|Track Red interior|红黑双色运动真皮。|Two-tone sport leather.
I6N|9|18000|纳帕云杉绿|Nappa Spruce|全纳帕真皮，含顶棚包覆。|Full Nappa including the headliner.
I7A|9|18000|纳帕琥珀棕|Nappa Amber|全纳帕真皮，手工缝制。|Full Nappa, sewn by hand.
I8V|3|2500|海盐拼色内饰|Sea Salt interior|VELA 专属拼色织物。|A two-colour fabric made for VELA.
I9L|3|2500|珊瑚拼色内饰|Coral interior|活力珊瑚色点缀。|Accents in lively coral.
"""

SEATS = """
S1S|573|0|标准座椅|Standard seats|驾驶席六向调节。|Driver's seat adjusts six ways.
S2C|579|5000|舒适座椅|Comfort seats|十二向电动，带腰托。|Twelve-way power with lumbar support.|H-SEAT-HEAT
S3P|57|9000|运动座椅|Sport seats|一体式头枕，侧向支撑更强。|One-piece backrests with firm sides.|H-SEAT-HEAT
S4M|79|14000|按摩座椅|Massage seats|前排十点按摩、通风与加热。|Ten-point massage, ventilation and heat.|H-SEAT-MASSAGE
S5Z|9|28000|零重力座椅|Zero-gravity seats|后排躺姿最大 127 度。|Rear seats recline to 127 degrees.|H-SEAT-MASSAGE
S6H|53|1500|前排座椅加热|Heated front seats|三档加热，三分钟升温。|Three levels, warm in three minutes.|H-SEAT-HEAT
S7R|579|2500|后排座椅加热|Heated rear seats|后排两侧三档加热。|Outer rear seats, three levels.|H-SEAT-HEAT-REAR
S8V|579|3000|前排座椅通风|Ventilated front seats|吸风式通风，夏日干爽。|Draws air through, dry in summer.|H-SEAT-VENT
S9K|7|8000|第三排座椅|Third row|七座布局，五五分折叠。|Seven seats, folds in halves.
"""

STEERING = """
V1S|573|0|多功能方向盘|Multifunction wheel|环保皮革包覆。|Wrapped in vegan leather.
V2H|5793|1200|加热方向盘|Heated wheel|全圈加热。|Heated all the way round.|H-WHEEL-HEAT
V3P|57|3200|运动方向盘|Sport wheel|平底造型，麂皮握把。|Flat-bottomed with suede grips.
V4Y|9|4800|双辐方向盘|Two-spoke wheel|真皮与实木拼接。|Leather and solid wood.|H-WHEEL-HEAT
"""

DECOR = """
D1A|573|0|铝纹饰板|Aluminium inlay|细腻拉丝纹理。|Fine brushed grain.
D2W|579|2600|开孔胡桃木饰板|Open-pore walnut|天然木材，开孔工艺。|Natural wood with an open grain.
D3B|579|2600|黑檀木饰板|Ebony inlay|深色木纹。|A dark grain.
D4C|57|5800|碳纤维饰板|Carbon inlay|真碳纤维编织。|Real woven carbon.
D5S|9|7800|石材饰板|Stone inlay|0.1 毫米天然石材。|Natural stone 0.1 mm thin.
D6R|3|600|再生软木饰板|Recycled cork|回收瓶塞制成。|Made from bottle corks.
D7L|5793|1600|256 色氛围灯|Ambient light, 256 colours|随音乐律动。|Moves with the music.|H-AMBIENT
"""

CLIMATE = """
C1A|53|0|自动空调|Automatic climate|单温区自动控制。|One zone.
C2D|573|2200|双温区空调|Dual-zone climate|主副驾独立温控。|Driver and passenger apart.
C3T|79|4200|三温区空调|Three-zone climate|后排独立控制面板。|With a rear panel.
C4Q|9|7600|四温区空调|Four-zone climate|四座独立温控。|A zone for each seat.
C5P|5793|2800|热泵系统|Heat pump|冬季续航提升约 8%。|About 8 % more range in winter.|H-HEAT-PUMP
C6F|5793|1200|香氛系统|Fragrance|三款香型可选。|Three scents to choose from.|H-FRAGRANCE
C7I|5793|900|负离子净化|Air ioniser|PM2.5 实时监测。|Watches PM2.5 as you drive.
"""

COMFORT = """
F1W|579|1500|前排无线充电|Wireless charging|双 50 瓦无线充电。|Two 50 W pads.
F2R|79|3600|车载冰箱|Refrigerator|零下六度至五十度可调。|Adjusts from -6 to 50 degrees.
F3T|9|4200|后排小桌板|Rear tables|真皮与铝合金材质。|In leather and aluminium.
F4S|579|2200|电动遮阳帘|Powered sun blinds|侧窗与后窗遮阳。|For side and rear windows.
F5B|73|800|后备厢储物套件|Boot organiser|可折叠隔板与挂钩。|Folding dividers and hooks.
F6K|5793|600|手机钥匙|Phone key|超宽带无感进入。|Walk up and drive, by ultra-wideband.|H-UWB
F7C|79|2000|儿童座椅接口套件|Child seat kit|ISOFIX 导向与护垫。|ISOFIX guides and covers.
F8M|793|1800|电动防眩目后视镜|Dimming mirrors|内外自动防眩。|Inside and out.
F9V|79|1600|220 伏交流插座|220 V socket|最大 2200 瓦外放电。|Up to 2,200 W.|H-V2L
"""
