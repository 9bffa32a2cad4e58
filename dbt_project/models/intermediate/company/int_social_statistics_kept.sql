with

days as (
    select * from {{ ref('stg_social_statistics__days') }}
),

platforms as (
    select * from {{ ref('platforms') }}
),

named as (
    select
        days.*,
        coalesce(platforms.platform, days.platform) as known_platform
    from days
    left join platforms on days.platform = {{ normalised_text('platforms.spelling') }}
),

versioned as (
    select
        *,
        row_number() over (
            partition by known_platform, counted_on
            order by load_id asc, file_row asc
        ) as version
    from named
),

-- Platforms forget: a figure that a newer list leaves out is the one last told.
final as (
    select
        'social_statistics' as source,
        known_platform as platform,
        counted_on,
        max_by(followers, version) filter (where followers is not null) as followers,
        max_by(interactions, version) filter (where interactions is not null) as interactions,
        max_by(mentions, version) filter (where mentions is not null) as mentions,
        max_by(own_posts, version) filter (where own_posts is not null) as own_posts
    from versioned
    group by known_platform, counted_on
)

select * from final
